package authz

import (
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/hubmesh/hubmesh/authz/internal/jwks"
	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says whom authz believes, and what it starts with. One of Secret,
// PublicKeys and JWKS.URL must be set.
type Config struct {
	Prefix     string           // first token of every subject; empty means "hub"
	Secret     string           // HS256, 32 bytes or more; empty: no such token is believed
	Previous   string           // the secret before, whose tokens are believed too while Secret takes its place; empty: none
	JWKS       jwks.Config      // URL of keys that an issuer publishes, for RS256, ES256 and EdDSA by kid; empty: no such token is believed
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

// LogValue keeps the secrets out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("prefix", c.Prefix), slog.Bool("secret", c.Secret != ""), slog.Bool("keys", len(c.PublicKeys) > 0), slog.String("jwks", c.JWKS.URL))
}

// Keyed reports whether there is a key to check tokens with.
func (c Config) Keyed() bool { return c.Secret != "" || len(c.PublicKeys) > 0 || c.JWKS.URL != "" }

const (
	secretName   = "HUBMESH_JWT_SECRET"
	previousName = "HUBMESH_JWT_SECRET_PREVIOUS"
	keysName     = "HUBMESH_JWT_PUBLIC_KEY_FILE"
	jwksName     = "HUBMESH_JWT_JWKS_URL"
	policyName   = "HUBMESH_POLICY_FILE"
)

// Bind reads Config from the environment, for a program that has a secret of
// its own to fall back on when none is set.
func Bind(set *env.Set, cfg *Config) { bind(set, cfg) }

// Require reads Config as Bind does, and notes a fault when no key is set.
func Require(set *env.Set, cfg *Config) {
	if !bind(set, cfg) {
		set.Fault(secretName, "set it, or "+keysName+" or "+jwksName+": without a key no token can be checked")
	}
}

func bind(set *env.Set, cfg *Config) (keyed bool) {
	subject.Bind(set, &cfg.Prefix)
	secret := set.Secret(&cfg.Secret, secretName, "secret of tokens by HS256, 32 bytes or more", token.MinSecret)
	if set.Secret(&cfg.Previous, previousName, "the secret before: its tokens are believed too, until it is taken out", token.MinSecret) && !secret {
		set.Fault(previousName, "there is no "+secretName+" that takes its place")
	}
	var path string
	file := set.File(&path, keysName, "path of a PEM file with the public keys of tokens by RS256, ES256 or EdDSA, several while one takes another's place")
	if path != "" {
		cfg.PublicKeys = readKeys(set, path)
	}
	published := set.String(&cfg.JWKS.URL, jwksName, "", "address of the keys that an issuer publishes (JWKS), read every 5 minutes, and for a token by an unknown key")
	if published && !isURL(cfg.JWKS.URL) {
		set.Fault(jwksName, "want an address as in https://id.example.com/.well-known/jwks.json")
	}
	set.String(&cfg.Issuer, "HUBMESH_JWT_ISSUER", "", "issuer (iss) that tokens must have, if set")
	set.String(&cfg.Audience, "HUBMESH_JWT_AUDIENCE", "", "audience (aud) that tokens must have, if set")
	var rules string
	set.File(&rules, policyName, "path of a policy of rooms, in YAML; only types that the mesh has no rules for yet are taken from it")
	if rules != "" {
		cfg.Policy = readPolicy(set, rules)
	}
	store.Bind(set, &cfg.Store)
	return secret || file || published
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
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
