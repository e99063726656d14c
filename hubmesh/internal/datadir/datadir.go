// Package datadir keeps the folder of a mesh that runs in one process: one
// process at a time, whether the end of what it wrote may have been lost, and
// the secret that signs tokens where none is configured.
//
// It does not know what the NATS server writes there. Read this file first,
// then mark.go (unclean stops), left.go (where a log stood) and secret.go;
// system_*.go are the systems' own.
package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Files of the folder.
const (
	lockFile   = "LOCK"
	markFile   = "RUNNING"
	leftFile   = "LEFT"
	secretFile = "jwt-secret"
	storeDir   = "nats"
)

// InUse is Open's error when another has the folder.
type InUse struct {
	Path    string
	Process string // its id; empty where the system does not let us read it
}

func (e *InUse) Error() string {
	if e.Process == "" {
		return e.Path + " is in use by another hubmesh"
	}
	return e.Path + " is in use by another hubmesh (process " + e.Process + ")"
}

// Dir is an open folder. Not safe for concurrent use.
type Dir struct {
	path string
	boot string
	lock *os.File

	begun bool // since Begin
}

// Open makes the folder if it is missing, and holds it until Close or the
// process's end, however it ends. Two NATS servers on one store start without
// a complaint and both take the same sequence numbers, so a second Open is
// refused with an *InUse, in this process too.
//
// Boot tells one start of the machine from another (see Boot); empty means
// that it is not known.
func Open(path, boot string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("datadir: make folder: %w", err)
	}
	name := filepath.Join(path, lockFile)
	lock, err := acquire(name)
	if errors.Is(err, errHeld) {
		return nil, fmt.Errorf("datadir: open: %w", &InUse{path, holder(name)})
	}
	if err != nil {
		return nil, fmt.Errorf("datadir: lock %s: %w", name, err)
	}
	d := &Dir{path: path, boot: boot, lock: lock}
	if err := d.sign(); err != nil {
		return nil, errors.Join(fmt.Errorf("datadir: sign %s: %w", name, err), lock.Close())
	}
	return d, nil
}

// sign writes our process id into the lock, for who is refused.
func (d *Dir) sign() error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(d.lock, os.Getpid())
	return err
}

// holder names the process that has the folder, if it can be read.
func holder(name string) string {
	f, err := os.Open(name) //nolint:gosec // a file of our own folder
	if err != nil {
		return "" // some systems let nobody read what is locked
	}
	defer f.Close() //nolint:errcheck // was only read
	pid, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil || len(pid) == 0 {
		return ""
	}
	return strings.TrimSpace(string(pid))
}

// Store is where the NATS server keeps its streams.
func (d *Dir) Store() string { return filepath.Join(d.path, storeDir) }

// Close lets others have the folder.
func (d *Dir) Close() error {
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("datadir: unlock %s: %w", d.path, err)
	}
	return nil
}
