package jwks

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"

	"github.com/hubmesh/hubmesh/authz/internal/token"
)

// readKeys reads all keys of a set that may sign tokens for us. Others that an
// issuer has, of other kinds or for encryption, are none of our business; but a
// set without any key of ours is a mistake, and leaves those from before.
func (s *Set) readKeys(text []byte) (map[name]any, error) {
	var set struct {
		Keys []jwkset.JWKMarshal `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("jwks: read keys: %w", err)
	}
	keys := map[name]any{}
	for _, k := range set.Keys {
		key, alg, err := readKey(k)
		if err != nil {
			s.log.Debug("jwks: not a key for tokens", "kid", k.KID, "err", err)
			continue
		}
		keys[name{k.KID, alg}] = key
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("jwks: read keys: none of %d has a kid and signs by RS256, ES256 or EdDSA", len(set.Keys))
	}
	return keys, nil
}

func readKey(k jwkset.JWKMarshal) (key any, alg string, err error) {
	if k.KID == "" {
		return nil, "", errors.New("it has no kid")
	}
	if k.USE != "" && k.USE != jwkset.UseSig {
		return nil, "", fmt.Errorf("it is used for %q", k.USE)
	}
	// Certificates beside a key, and above all addresses of some, say nothing
	// that we would look at: the set is believed for where it was read.
	k.X5U, k.X5C, k.X5T, k.X5TS256 = "", nil, "", ""
	read, err := jwkset.NewJWKFromMarshal(k, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipKeyOps: true})
	if err != nil {
		return nil, "", err
	}
	alg, err = token.AlgorithmOf(read.Key())
	if err != nil {
		return nil, "", err
	}
	if k.ALG != "" && k.ALG.String() != alg {
		return nil, "", fmt.Errorf("it signs by %s", k.ALG)
	}
	return read.Key(), alg, nil
}
