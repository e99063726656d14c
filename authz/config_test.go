package authz_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/env"
)

// keyFile is a file with a new public key of ES256.
func keyFile(t *testing.T) (file string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return write(t, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func write(t *testing.T, text []byte) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "keys.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// bound is what bind makes of the variables, and all faults.
func bound(bind func(*env.Set, *authz.Config), vars map[string]string) (cfg authz.Config, faults string) {
	set := env.New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	bind(set, &cfg)
	if err := set.Parse(); err != nil {
		faults = err.Error()
	}
	return cfg, faults
}

func TestItIsConfiguredByTheEnvironment(t *testing.T) {
	file := keyFile(t)
	cfg, faults := bound(authz.Require, map[string]string{
		"HUBMESH_PREFIX": "acme", "HUBMESH_JWT_SECRET": secret, "HUBMESH_JWT_PUBLIC_KEY_FILE": file,
		"HUBMESH_JWT_ISSUER": "id", "HUBMESH_JWT_AUDIENCE": "mesh",
	})
	if faults != "" {
		t.Fatal(faults)
	}
	if cfg.Prefix != "acme" || cfg.Secret != secret || len(cfg.PublicKeys) == 0 || cfg.Issuer != "id" || cfg.Audience != "mesh" {
		t.Errorf("bound %+v", cfg)
	}
}

func TestItRefusesToStartWithoutAKeyThatCanServe(t *testing.T) {
	const name, file = "HUBMESH_JWT_SECRET", "HUBMESH_JWT_PUBLIC_KEY_FILE"
	for why, c := range map[string]struct {
		vars map[string]string
		want string
	}{
		"nothing is set":             {nil, name + ": set it, or " + file},
		"a secret of 31 bytes":       {map[string]string{name: secret[1:]}, name + ": too short: want 32 bytes or more"},
		"a file that is not there":   {map[string]string{file: filepath.Join(t.TempDir(), "none")}, file + ": open"},
		"a file without a key":       {map[string]string{file: write(t, []byte("hello"))}, file + ": token: no PEM block"},
		"a good secret, a bad file":  {map[string]string{name: secret, file: write(t, nil)}, file},
		"a bad secret, a good file":  {map[string]string{name: "short", file: keyFile(t)}, name},
		"a prefix that cannot be so": {map[string]string{name: secret, "HUBMESH_PREFIX": "A.B"}, "HUBMESH_PREFIX"},
	} {
		t.Run(why, func(t *testing.T) {
			_, faults := bound(authz.Require, c.vars)
			if !strings.HasPrefix(faults, c.want) || strings.Contains(faults, "\n") {
				t.Errorf("faults are %q, want one that begins with %q", faults, c.want)
			}
		})
	}
	if _, faults := bound(authz.Bind, nil); faults != "" {
		t.Errorf("Bind needs a key: %s", faults)
	}
}

func TestALogShowsNoSecret(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "cfg", authz.Config{Secret: secret})
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log shows the secret: %s", log.String())
	}
}
