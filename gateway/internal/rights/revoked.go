package rights

import (
	"encoding/json"
	"math"
	"sync/atomic"

	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Revoked is the tokens that hold no longer, as their bucket says. The bucket
// is mirrored here, because a token may be accepted by authz before it is
// revoked and be let in after it. Safe for concurrent use.
type Revoked struct {
	mirror atomic.Pointer[kv.Mirror[float64]] // nil before Watch.Listen
}

// UserKey is the key of the bucket under which all tokens of a user are
// revoked.
func UserKey(user string) string { return "user." + subject.Escape(user) }

// Keys is under which keys of the bucket a token can be revoked: its user's,
// and its own where it has an id.
func Keys(user string, claims map[string]json.RawMessage) []string {
	keys := []string{UserKey(user)}
	var jti string
	if json.Unmarshal(claims["jti"], &jti) == nil && jti != "" {
		keys = append(keys, "jti."+subject.Escape(jti))
	}
	return keys
}

// Voids reports whether a token of the user with these claims holds no longer:
// it was issued before the time under one of its keys, or does not say when.
func (r *Revoked) Voids(user string, claims map[string]json.RawMessage) bool {
	mirror := r.mirror.Load()
	if mirror == nil {
		return false
	}
	for _, key := range Keys(user, claims) {
		if before, ok := mirror.Value(key); ok && issued(claims) < before {
			return true
		}
	}
	return false
}

// issued is when a token was, in unix seconds; one that does not say was
// before everything.
func issued(claims map[string]json.RawMessage) float64 {
	var at *float64
	if json.Unmarshal(claims["iat"], &at) != nil || at == nil {
		return math.Inf(-1)
	}
	return *at
}

// readTime reads a value for the mirror. One that cannot be read revokes
// everything under its key; authz tells of it.
func readTime(value []byte) (before float64, _ error) {
	before, _ = wire.ReadRevocation(value)
	return before, nil
}
