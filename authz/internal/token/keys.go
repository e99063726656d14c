package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// MinSecret is the least number of bytes of a secret: as many as the hash of
// HS256 has (RFC 7518, 3.2). A token is enough to guess shorter ones at home.
const MinSecret = 32

// minRSA is the least size of an RSA key in bits (RFC 7518, 3.3).
const minRSA = 2048

// CheckSecret returns an error for a secret that is too short.
func CheckSecret(secret string) error {
	if len(secret) < MinSecret {
		return fmt.Errorf("token: secret has %d bytes: want %d or more", len(secret), MinSecret)
	}
	return nil
}

// CheckKeys returns an error for text that is not PEM of public keys that can
// be used.
func CheckKeys(text []byte) error {
	_, err := readKeys(text)
	return err
}

// readKeys reads all public keys of a PEM text, by the algorithm of their
// kind. Text between blocks is skipped, as PEM has it.
func readKeys(text []byte) (map[string]jwt.VerificationKeySet, error) {
	keys := map[string]jwt.VerificationKeySet{}
	for n := 1; ; n++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		alg, key, err := readKey(block)
		if err != nil {
			return nil, fmt.Errorf("token: key %d of the PEM text: %w", n, err)
		}
		keys[alg] = jwt.VerificationKeySet{Keys: append(keys[alg].Keys, key)}
	}
	if len(keys) == 0 {
		return nil, errors.New("token: no PEM block with a public key")
	}
	return keys, nil
}

func readKey(block *pem.Block) (alg string, key jwt.VerificationKey, err error) {
	var public any
	switch {
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = cert.PublicKey
		}
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return "", nil, errors.New("it is private: keep it with the issuer, and give the public one here")
	default:
		return "", nil, fmt.Errorf("block %q: want PUBLIC KEY", block.Type)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", block.Type, err)
	}
	alg, err = AlgorithmOf(public)
	return alg, public, err
}

// AlgorithmOf is the one algorithm that a public key is used with, or an error
// for a key that is of no kind we take, or too weak.
func AlgorithmOf(public any) (alg string, err error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return "", fmt.Errorf("RSA key of %d bits: want %d or more", k.N.BitLen(), minRSA)
		}
		return jwt.SigningMethodRS256.Alg(), nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("elliptic curve is not P-256, which ES256 takes")
		}
		return jwt.SigningMethodES256.Alg(), nil
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA.Alg(), nil
	}
	return "", fmt.Errorf("key of kind %T: want RSA, P-256 or Ed25519", public)
}

// published is the algorithms of keys that an issuer publishes. A secret is
// none of them: it would be everybody's.
func published() []string {
	return []string{jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg(), jwt.SigningMethodEdDSA.Alg()}
}
