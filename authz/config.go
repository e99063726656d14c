package authz

import (
	"log/slog"
	"os"
	"time"

	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says whom authz believes. One of Secret and PublicKeys must be set.
type Config struct {
	Prefix     string           // first token of every subject; empty means "hub"
	Secret     string           // HS256, 32 bytes or more; empty: no such token is believed
	PublicKeys []byte           // PEM, RS256, ES256 or EdDSA by the kind of each key; empty: no such token is believed
	Issuer     string           // iss that tokens must have; empty: not looked at
	Audience   string           // aud that tokens must have; empty: not looked at
	Policy     []byte           // YAML, rules of types of rooms that the bucket HUB_POLICY has none for yet; empty: none
	Open       []string         // types of rooms, likewise, that everyone may enter, for trying things out; empty: none
	BehindWait time.Duration    // how long a question waits for what its answer must be made of; 0 means 1s
	Now        func() time.Time // the clock that tokens are judged by; nil means time.Now

	Store  store.Config  // of the buckets, where authz is the first to need them
	Follow follow.Config // times and sizes of following the buckets; zero means follow's own
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.BehindWait == 0 {
		c.BehindWait = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// LogValue keeps the secret out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("prefix", c.Prefix), slog.Bool("secret", c.Secret != ""), slog.Bool("keys", len(c.PublicKeys) > 0))
}

const (
	secretName = "HUBMESH_JWT_SECRET"
	keysName   = "HUBMESH_JWT_PUBLIC_KEY_FILE"
	policyName = "HUBMESH_POLICY_FILE"
)

// Bind reads Config from the environment, for a program that has a secret of
// its own to fall back on when none is set.
func Bind(set *env.Set, cfg *Config) { bind(set, cfg) }

// Require reads Config as Bind does, and notes a fault when no key is set.
func Require(set *env.Set, cfg *Config) {
	if !bind(set, cfg) {
		set.Fault(secretName, "set it, or "+keysName+": without a key no token can be checked")
	}
}

func bind(set *env.Set, cfg *Config) (keyed bool) {
	subject.Bind(set, &cfg.Prefix)
	secret := set.Secret(&cfg.Secret, secretName, "secret of tokens by HS256, 32 bytes or more", token.MinSecret)
	var path string
	file := set.File(&path, keysName, "path of a PEM file with the public keys of tokens by RS256, ES256 or EdDSA")
	if path != "" {
		cfg.PublicKeys = readKeys(set, path)
	}
	set.String(&cfg.Issuer, "HUBMESH_JWT_ISSUER", "", "issuer (iss) that tokens must have, if set")
	set.String(&cfg.Audience, "HUBMESH_JWT_AUDIENCE", "", "audience (aud) that tokens must have, if set")
	var rules string
	set.File(&rules, policyName, "path of a policy of rooms, in YAML; only types that the mesh has no rules for yet are taken from it")
	if rules != "" {
		cfg.Policy = readPolicy(set, rules)
	}
	store.Bind(set, &cfg.Store)
	return secret || file
}

func readPolicy(set *env.Set, path string) []byte {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says which
	if err == nil {
		err = CheckPolicy(path, text)
	}
	if err != nil {
		set.Fault(policyName, err.Error())
	}
	return text
}

func readKeys(set *env.Set, path string) []byte {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says which
	if err == nil {
		err = token.CheckKeys(text)
	}
	if err != nil {
		set.Fault(keysName, err.Error())
	}
	return text
}
