package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/authz/internal/jwks"
	"github.com/hubmesh/hubmesh/authz/internal/meter"
)

// issuer publishes what it is told to.
type issuer struct {
	mu    sync.Mutex // guards all below
	code  int
	body  string
	asked int
}

func (i *issuer) say(code int, body string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.code, i.body = code, body
}

func (i *issuer) questions() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	w.WriteHeader(i.code)
	_, _ = w.Write([]byte(i.body))
}

// reading is a Set that reads from the issuer until the test ends.
func reading(t *testing.T, i *issuer, cfg jwks.Config) *jwks.Set {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	cfg.URL = server.URL
	s := jwks.New(cfg, meter.New(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

func b64(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

// ed is a key as it is published.
func ed(t *testing.T, kid string, more ...string) map[string]any {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(public)}
	for i := 0; i+1 < len(more); i += 2 {
		key[more[i]] = more[i+1]
	}
	return key
}

func set(t *testing.T, keys ...map[string]any) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func has(s *jwks.Set, kid, alg string) bool {
	_, ok := s.Key(kid, alg)
	return ok
}

// often lets every question look again.
func often() jwks.Config { return jwks.Config{Between: time.Nanosecond} }

func TestOnlyKeysThatSignTokensAreTaken(t *testing.T) {
	rsaKey := func(bits int) map[string]any {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
	}
	ecKey := func(curve elliptic.Curve, name string) map[string]any {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		return map[string]any{"kty": "EC", "crv": name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	}
	for name, c := range map[string]struct {
		key map[string]any
		alg string // of which it is a key; empty: of none
	}{
		"RSA":                         {rsaKey(2048), "RS256"},
		"RSA that is short":           {rsaKey(1024), ""},
		"P-256":                       {ecKey(elliptic.P256(), "P-256"), "ES256"},
		"P-384":                       {ecKey(elliptic.P384(), "P-384"), ""},
		"Ed25519":                     {ed(t, "k", "use", "sig", "alg", "EdDSA"), "EdDSA"},
		"one for encryption":          {ed(t, "k", "use", "enc"), ""},
		"one of another algorithm":    {ed(t, "k", "alg", "RS256"), ""},
		"a secret":                    {map[string]any{"kty": "oct", "k": b64(make([]byte, 64))}, ""},
		"one with an address":         {ed(t, "k", "x5u", "http://127.0.0.1:1/never"), "EdDSA"},
		"one that is broken":          {map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, ""},
		"one with nothing else in it": {map[string]any{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.key["kid"] = "k"
			nameless := ed(t, "")
			delete(nameless, "kid")
			s := reading(t, &issuer{code: 200, body: set(t, c.key, nameless, ed(t, "beside"))}, jwks.Config{})
			s.Refresh(t.Context())
			for _, alg := range []string{"RS256", "ES256", "EdDSA", "HS256"} {
				if got := has(s, "k", alg); got != (alg == c.alg) {
					t.Errorf("it is a key of %s: %v", alg, got)
				}
			}
			if !has(s, "beside", "EdDSA") || has(s, "", "EdDSA") {
				t.Error("the key beside it is not taken, or one without a name is")
			}
		})
	}
}

func TestKeysChangeAsTheIssuersDo(t *testing.T) {
	i := &issuer{code: 200, body: set(t, ed(t, "old"))}
	s := reading(t, i, often())
	s.Refresh(t.Context())
	i.say(200, set(t, ed(t, "old"), ed(t, "new")))
	s.Refresh(t.Context())
	if !has(s, "old", "EdDSA") || !has(s, "new", "EdDSA") {
		t.Error("two keys at once are not both believed")
	}
	i.say(200, set(t, ed(t, "new")))
	s.Refresh(t.Context())
	if has(s, "old", "EdDSA") || !has(s, "new", "EdDSA") {
		t.Error("a key that is taken out is believed, or the other is not")
	}
}

func TestAnIssuerThatIsAwayLocksNobodyOut(t *testing.T) {
	i := &issuer{code: 200, body: set(t, ed(t, "k"))}
	s := reading(t, i, often())
	s.Refresh(t.Context())
	for name, c := range map[string]struct {
		code int
		body string
	}{
		"an error":           {503, set(t, ed(t, "other"))},
		"what is no JSON":    {200, "<html>"},
		"no keys":            {200, `{"keys":[]}`},
		"something else":     {200, `[]`},
		"more than is taken": {200, `{"keys":[],"x":"` + string(make([]byte, 1<<20)) + `"}`},
	} {
		i.say(c.code, c.body)
		s.Refresh(t.Context())
		if !has(s, "k", "EdDSA") || s.Ready() != nil {
			t.Errorf("after %s the key from before is not believed: %v", name, s.Ready())
		}
	}
}

func TestItIsNotReadyBeforeItHasReadAndTriesAgain(t *testing.T) {
	i := &issuer{code: 500}
	s := reading(t, i, jwks.Config{Again: time.Millisecond, Between: time.Nanosecond})
	s.Refresh(t.Context())
	if s.Ready() == nil || has(s, "k", "EdDSA") {
		t.Error("it is ready, and has read nothing")
	}
	i.say(200, set(t, ed(t, "k")))
	for ctx := t.Context(); s.Ready() != nil && ctx.Err() == nil; {
		s.Refresh(ctx) // returns as the next reading ends, whoever began it
	}
	if !has(s, "k", "EdDSA") {
		t.Error("it is ready without the key")
	}
}

func TestNamesThatAreMadeUpAreNotAskedForEachTime(t *testing.T) {
	i := &issuer{code: 200, body: set(t, ed(t, "k"))}
	s := reading(t, i, jwks.Config{Between: time.Hour})
	s.Refresh(t.Context())
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { s.Refresh(t.Context()) })
	}
	wg.Wait()
	if got := i.questions(); got > 2 { // the first one, and one by whoever came while it was under way
		t.Errorf("50 unknown names made %d questions", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"k"}]}`)
	f.Add(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"k"}]}`)
	i := &issuer{code: 200}
	server := httptest.NewServer(i)
	f.Cleanup(server.Close)
	s := jwks.New(jwks.Config{URL: server.URL, Between: time.Nanosecond}, meter.New(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			f.Errorf("Serve: %v", err)
		}
	})
	f.Fuzz(func(t *testing.T, body string) {
		i.say(200, body)
		s.Refresh(t.Context())
		if has(s, "k", "HS256") || has(s, "", "EdDSA") {
			t.Errorf("%q is a secret, or a key without a name", body)
		}
	})
}
