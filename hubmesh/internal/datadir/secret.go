package datadir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoSecret is wrapped by Secret's error when the folder has none.
var ErrNoSecret = errors.New("no secret there")

// leastSecret is what HS256 needs: RFC 7518, section 3.2.
const leastSecret = 32

// Secret reads the secret that signs the tokens of a mesh in this folder.
func Secret(path string) (string, error) {
	name := filepath.Join(path, secretFile)
	text, err := os.ReadFile(name) //nolint:gosec // a file of our own folder
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("datadir: read %s: %w", name, ErrNoSecret)
	}
	if err != nil {
		return "", fmt.Errorf("datadir: read secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < leastSecret {
		return "", fmt.Errorf("datadir: secret in %s: has %d bytes, want %d or more; remove it to get a new one", name, len(secret), leastSecret)
	}
	return secret, nil
}

// MakeSecret is Secret, and writes a random one, for its owner's eyes only,
// where there is none: tokens stay valid over restarts. Two that make one at
// once get the same.
func MakeSecret(path string) (string, error) {
	secret, err := Secret(path)
	if !errors.Is(err, ErrNoSecret) {
		return secret, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("datadir: make folder: %w", err)
	}
	if err := writeNew(filepath.Join(path, secretFile), rand.Text()+rand.Text()+"\n"); err != nil {
		return "", fmt.Errorf("datadir: write secret: %w", err)
	}
	return Secret(path)
}

// writeNew writes a file whole, unless one of that name is there.
func writeNew(name, text string) error {
	temp := name + "." + rand.Text()
	if err := writeWhole(temp, text); err != nil {
		return err
	}
	err := os.Link(temp, name)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(temp))
}
