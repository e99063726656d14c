// Package token says whose token it is: it checks the signature, the times,
// the issuer and the audience of a JWT, and it mints tokens for trying things
// out.
//
// It does not say what its owner may do (see policy), ask anybody, or read a
// clock. It is the only importer of golang-jwt, which reads the three parts
// and checks the signature; every rule about claims is here, where its order
// and its words can be seen.
//
// Read token.go first, then claims.go for the times, keys.go for what may
// sign, and mint.go.
package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// MaxBytes bounds a token. A browser's request line and headers together are
// cut at 8 KiB by most proxies, so no longer one arrives anyway.
const MaxBytes = 8 << 10

// Leeway is how far iat and nbf may lie ahead of our clock, since the issuer's
// may be fast. exp has none: a token that lives on for longer than it says is
// of no use to anyone honest.
const Leeway = 30 * time.Second

// Config says which tokens are believed.
type Config struct {
	Secret     string // of HS256, MinSecret bytes or more; empty: no such token is
	Previous   string // the secret before: its tokens are believed too; empty: none
	PublicKeys []byte // PEM, one key or more of RSA, P-256 or Ed25519; empty: no such token is
	Published  Keys   // what an issuer publishes; nil: nothing
	Issuer     string // iss; empty: not looked at
	Audience   string // one of aud; empty: not looked at
}

// Keys is the public keys that an issuer publishes under names, kid (RFC 7517,
// 4.5). It must be safe for concurrent use and must not block.
type Keys interface {
	// Key returns the key of a name, if there is one that is used with alg.
	Key(kid, alg string) (key any, ok bool)
}

// Verified is what a token says that was found good.
type Verified struct {
	User      string                     // sub, a subject.ValidUser
	Claims    map[string]json.RawMessage // all of them
	ExpiresAt time.Time                  // zero: never
	IssuedAt  time.Time                  // iat; zero: it does not say
	ID        string                     // jti, where that is a text; empty: it has none
}

// Refusal is why a token is not believed: TokenExpired when nothing but its
// exp is wrong, Unauthorized otherwise. Message is for whoever sent it, and
// shows nothing of it.
type Refusal struct {
	Code    wire.Code
	Message string

	// UnknownKey says that the token names a key that Keys does not have. It may
	// be new: ask again when the issuer's keys were read again.
	UnknownKey bool
}

func (r *Refusal) Error() string { return "token: " + string(r.Code) + ": " + r.Message }

// refuse makes an error of what is wrong with a token.
func refuse(message string) *Refusal { return &Refusal{Code: wire.Unauthorized, Message: message} }

// Verifier checks tokens. Safe for concurrent use.
type Verifier struct {
	keys     map[string]jwt.VerificationKeySet // by algorithm
	issued   Keys                              // nil: none are published
	parser   *jwt.Parser
	algs     string // of keys, for messages
	issuer   string
	audience string
}

// ErrNoKey is New's answer to a Config without any key: nobody could be
// believed.
var ErrNoKey = errors.New("token: no key to check tokens with")

// New makes a Verifier, or says what is wrong with the keys.
//
// A key is used with the one algorithm of its kind: HS256 with the secret,
// RS256, ES256 or EdDSA with a public key. What a token says of its algorithm
// only chooses among the keys of that kind, so a public key never serves as a
// secret, and "none" is no kind.
func New(cfg Config) (*Verifier, error) {
	keys := map[string]jwt.VerificationKeySet{}
	if len(cfg.PublicKeys) > 0 {
		var err error
		if keys, err = readKeys(cfg.PublicKeys); err != nil {
			return nil, err
		}
	}
	var secrets []jwt.VerificationKey
	for _, secret := range []string{cfg.Secret, cfg.Previous} {
		if secret == "" {
			continue
		}
		if err := CheckSecret(secret); err != nil {
			return nil, err
		}
		secrets = append(secrets, []byte(secret))
	}
	if len(secrets) > 0 {
		keys[jwt.SigningMethodHS256.Alg()] = jwt.VerificationKeySet{Keys: secrets}
	}
	algs := slices.Collect(maps.Keys(keys))
	if cfg.Published != nil {
		algs = append(algs, published()...)
	}
	if len(algs) == 0 {
		return nil, ErrNoKey
	}
	slices.Sort(algs)
	algs = slices.Compact(algs)
	return &Verifier{
		keys: keys, issued: cfg.Published,
		parser: jwt.NewParser(
			jwt.WithValidMethods(algs),
			jwt.WithStrictDecoding(), // else one signature has several spellings
			jwt.WithoutClaimsValidation(),
		),
		algs:   strings.Join(algs, " or "),
		issuer: cfg.Issuer, audience: cfg.Audience,
	}, nil
}

// Verify checks text at now. Its error is a *Refusal.
func (v *Verifier) Verify(text string, now time.Time) (Verified, error) {
	switch {
	case text == "":
		return Verified{}, refuse("a token is needed")
	case len(text) > MaxBytes:
		return Verified{}, refuse(fmt.Sprintf("the token is longer than %d bytes", MaxBytes))
	}
	var p payload
	unknown := false
	key := func(t *jwt.Token) (keys any, err error) {
		keys, unknown, err = v.key(t)
		return keys, err
	}
	if _, err := v.parser.ParseWithClaims(text, &p, key); err != nil {
		refused := v.explain(err)
		refused.UnknownKey = unknown
		return Verified{}, refused
	}
	user, ok := asText(p.claims["sub"])
	if !ok || !subject.ValidUser(user) {
		return Verified{}, refuse("sub must name the user in 1 to 128 bytes without control characters")
	}
	if v.issuer != "" && !holds(p.claims["iss"], v.issuer, false) {
		return Verified{}, refuse("iss is not the issuer that is believed here")
	}
	if v.audience != "" && !holds(p.claims["aud"], v.audience, true) {
		return Verified{}, refuse("aud does not hold the audience of this mesh")
	}
	expires, err := p.times(now)
	if err != nil {
		return Verified{}, err
	}
	issued, _, err := p.time("iat")
	if err != nil {
		return Verified{}, err
	}
	id, _ := asText(p.claims["jti"])
	return Verified{User: user, Claims: p.claims, ExpiresAt: expires, IssuedAt: issued, ID: id}, nil
}

// errCritical is a token that wants to be understood in ways we do not know
// (RFC 7515, 4.1.11); golang-jwt leaves that to us.
var errCritical = errors.New("the token has critical headers, which are not known here")

// key returns all keys that may have signed the token. unknown says that it
// names one that is not among them.
func (v *Verifier) key(t *jwt.Token) (keys jwt.VerificationKeySet, unknown bool, err error) {
	if _, ok := t.Header["crit"]; ok {
		return keys, false, errCritical
	}
	alg := t.Method.Alg()
	keys = v.keys[alg]
	kid, _ := t.Header["kid"].(string)
	if v.issued == nil || kid == "" || !slices.Contains(published(), alg) {
		return keys, false, nil
	}
	key, ok := v.issued.Key(kid, alg)
	if !ok {
		return keys, true, nil
	}
	return jwt.VerificationKeySet{Keys: append([]jwt.VerificationKey{key}, keys.Keys...)}, false, nil
}

// explain words what golang-jwt found. Its own texts may quote the token.
func (v *Verifier) explain(err error) *Refusal {
	switch {
	case errors.Is(err, errCritical):
		return refuse(errCritical.Error())
	case errors.Is(err, errDeep):
		return refuse(errDeep.Error())
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse("that is no JWT: want three parts of base64url between dots")
	}
	return refuse("the token is not signed with " + v.algs + " by a key that is believed here")
}
