package authz_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// signer is an issuer's key.
type signer struct {
	kid     string
	private ed25519.PrivateKey
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, private}
}

// token is one of ann's.
func (s signer) token() string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64(fmt.Appendf(nil, `{"alg":"EdDSA","kid":%q}`, s.kid)) + "." + b64([]byte(`{"sub":"ann"}`))
	return text + "." + b64(ed25519.Sign(s.private, []byte(text)))
}

// published is a set of keys as an issuer serves it.
func published(signers ...signer) string {
	keys := make([]string, len(signers))
	for i, s := range signers {
		x := base64.RawURLEncoding.EncodeToString(s.private.Public().(ed25519.PublicKey)) //nolint:errcheck,forcetypeassert // of ed25519 it is one
		keys[i] = fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, s.kid, x)
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

func TestTokensOfAnIssuerAreBelievedByItsPublishedKeys(t *testing.T) {
	var body atomic.Value
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, ok := body.Load().(string)
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(issuer.Close)
	nc := natstest.Conn(t, natstest.Server(t))
	cfg := authz.Config{}
	cfg.JWKS.URL, cfg.JWKS.Between, cfg.JWKS.Again = issuer.URL, time.Nanosecond, time.Hour
	server, _ := start(t, nc, cfg, quiet())
	old, fresh, stranger := newSigner(t, "old"), newSigner(t, "new"), newSigner(t, "old")

	connect := func(text string) (wire.ConnectAnswer, error) {
		return call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: text})
	}
	_, err := connect(old.token())
	var fault *natsconn.Fault
	if !errors.As(err, &fault) || fault.Code != wire.Unavailable || server.Ready(t.Context()) == nil {
		t.Errorf("before any key could be read: %v and ready %v, want unavailable and not", err, server.Ready(t.Context()))
	}
	allowed := func(name, text string, want bool) {
		t.Helper()
		got, err := connect(text)
		if err != nil || got.Allow != want || !want && got.Code != wire.Unauthorized {
			t.Errorf("%s: %+v, %v, want allowed %v", name, got, err, want)
		}
	}
	body.Store(published(old))
	allowed("a key that can be read now", old.token(), true)
	allowed("another key of the same name", stranger.token(), false)
	allowed("a key that is not published yet", fresh.token(), false)
	body.Store(published(old, fresh))
	allowed("the new key", fresh.token(), true)
	allowed("the old key beside it", old.token(), true)
	allowed("a secret, where none is configured", mint(t, nil, 0), false)
	body.Store("away")
	allowed("a key from before, while the issuer is away", old.token(), true)
	if err := server.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v, want nil", err)
	}
}

func TestOneSecretTakesAnothersPlace(t *testing.T) {
	const next = "another secret of thirty-two bytes"
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: next, Previous: secret}, quiet())
	text, err := authz.Mint(next, "ann", nil, 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"the secret": text, "the secret before": mint(t, nil, 0)} {
		if got, err := call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: text}); err != nil || !got.Allow {
			t.Errorf("a token by %s: %+v, %v, want to be allowed", name, got, err)
		}
	}
}

func TestKeysAreConfiguredByTheEnvironment(t *testing.T) {
	cfg, faults := bound(authz.Require, map[string]string{"HUBMESH_JWT_JWKS_URL": "https://id.example.com/keys"})
	if faults != "" || cfg.JWKS.URL != "https://id.example.com/keys" || !cfg.Keyed() {
		t.Errorf("bound %+v, %s", cfg, faults)
	}
	for name, vars := range map[string]map[string]string{
		"HUBMESH_JWT_JWKS_URL":        {"HUBMESH_JWT_JWKS_URL": "id.example.com"},
		"HUBMESH_JWT_SECRET_PREVIOUS": {"HUBMESH_JWT_SECRET_PREVIOUS": secret, "HUBMESH_JWT_JWKS_URL": "https://id.example.com/keys"},
	} {
		if _, faults := bound(authz.Require, vars); !strings.HasPrefix(faults, name+": ") {
			t.Errorf("%v: faults are %q", vars, faults)
		}
	}
}
