package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// public is the PEM of a private key's public one.
func public(tb testing.TB, key crypto.Signer) []byte {
	tb.Helper()
	der := must(x509.MarshalPKIXPublicKey(key.Public()))(tb)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// pair is a key and the algorithm of its kind.
type pair struct {
	key    crypto.Signer
	method jwt.SigningMethod
}

func (p pair) token(tb testing.TB) string {
	tb.Helper()
	return sign(tb, p.method, p.key, `{"alg":"`+p.method.Alg()+`"}`, `{"sub":"ann"}`)
}

func pairs(tb testing.TB) map[string]pair {
	tb.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]pair{
		"RS256": {must(rsa.GenerateKey(rand.Reader, 2048))(tb), jwt.SigningMethodRS256},
		"ES256": {must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(tb), jwt.SigningMethodES256},
		"EdDSA": {ed, jwt.SigningMethodEdDSA},
	}
}

func TestEachKindOfKeyTakesItsOwnAlgorithmOnly(t *testing.T) {
	all := pairs(t)
	hs := signed(t, `{"sub":"ann"}`)
	for alg, own := range all {
		t.Run(alg, func(t *testing.T) {
			v := verifier(t, token.Config{PublicKeys: public(t, own.key)})
			for other, p := range all {
				want := string(wire.Unauthorized)
				if other == alg {
					want = "good"
				}
				if got := judged(t, v, p.token(t)); got != want {
					t.Errorf("a token of %s is %s, want %s", other, got, want)
				}
			}
			if got := judged(t, v, hs); got != string(wire.Unauthorized) {
				t.Errorf("a token of HS256 is %s, want unauthorized", got)
			}
			// The old trick: the public key, which everybody has, as a secret.
			forged := sign(t, jwt.SigningMethodHS256, public(t, own.key), `{"alg":"HS256"}`, `{"sub":"ann"}`)
			if got := judged(t, v, forged); got != string(wire.Unauthorized) {
				t.Errorf("a token of HS256 by the public key is %s, want unauthorized", got)
			}
			if own.method == jwt.SigningMethodRS256 {
				pss := sign(t, jwt.SigningMethodPS256, own.key, `{"alg":"PS256"}`, `{"sub":"ann"}`)
				if got := judged(t, v, pss); got != string(wire.Unauthorized) {
					t.Errorf("a token of PS256 is %s, want unauthorized", got)
				}
			}
		})
	}
}

func TestAnyOfSeveralKeysWillDo(t *testing.T) {
	var file []byte
	var tokens []string
	for range 2 { // an old and a new one of each kind, as while keys are changed
		for _, p := range pairs(t) {
			file = append(file, "-- a note between keys --\n"...)
			file = append(file, public(t, p.key)...)
			tokens = append(tokens, p.token(t))
		}
	}
	v := verifier(t, token.Config{Secret: secret, PublicKeys: file})
	for _, text := range append(tokens, signed(t, `{"sub":"ann"}`)) {
		if got := judged(t, v, text); got != "good" {
			t.Errorf("a token is %s, want good", got)
		}
	}
	if got := judged(t, v, pairs(t)["ES256"].token(t)); got != string(wire.Unauthorized) {
		t.Errorf("a token by a key that is not there is %s, want unauthorized", got)
	}
}

func TestKeysAreReadFromOtherBlocksToo(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	name := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "id"}}
	for block, der := range map[string][]byte{
		"RSA PUBLIC KEY": x509.MarshalPKCS1PublicKey(&key.PublicKey),
		"CERTIFICATE":    must(x509.CreateCertificate(rand.Reader, name, name, &key.PublicKey, key))(t),
	} {
		v := verifier(t, token.Config{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})})
		if got := judged(t, v, pair{key, jwt.SigningMethodRS256}.token(t)); got != "good" {
			t.Errorf("%s: a token is %s, want good", block, got)
		}
	}
}

func TestKeysThatCannotServeAreRefused(t *testing.T) {
	private := pairs(t)["ES256"].key
	der := must(x509.MarshalPKCS8PrivateKey(private))(t)
	small := must(x509.ParsePKCS1PublicKey(x509.MarshalPKCS1PublicKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537})))(t)
	for why, c := range map[string]struct {
		cfg  token.Config
		says string
	}{
		"a secret of 31 bytes":     {token.Config{Secret: secret[1:]}, "32 or more"},
		"a file without a key":     {token.Config{PublicKeys: []byte("hello")}, "no PEM block"},
		"a private key":            {token.Config{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, "private"},
		"a curve other than P-256": {token.Config{PublicKeys: public(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t))}, "P-256"},
		"an RSA key of 1024 bits": {token.Config{PublicKeys: pem.EncodeToMemory(&pem.Block{
			Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(small),
		})}, "2048"},
		"another block":  {token.Config{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS"})}, "want PUBLIC KEY"},
		"a broken block": {token.Config{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})}, "read PUBLIC KEY"},
		"a bad key after a good one": {token.Config{PublicKeys: append(public(t, private),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)}, "key 2"},
	} {
		t.Run(why, func(t *testing.T) {
			_, err := token.New(c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("New: %v, want an error that says %q", err, c.says)
			}
			if strings.Contains(err.Error(), secret[1:]) {
				t.Errorf("New: %v shows the secret", err)
			}
		})
	}
	if _, err := token.New(token.Config{}); !errors.Is(err, token.ErrNoKey) {
		t.Errorf("New without a key: %v, want ErrNoKey", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	bench := func(alg string, cfg token.Config, text string) {
		b.Run(alg, func(b *testing.B) {
			v := verifier(b, cfg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(text, now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("HS256", token.Config{Secret: secret}, signed(b, `{"sub":"ann"}`))
	for alg, p := range pairs(b) {
		bench(alg, token.Config{PublicKeys: public(b, p.key)}, p.token(b))
	}
}
