package token

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// maxDepth bounds how deep lists and objects of claims lie in one another.
// Claims go on to services and policies of every language, of which some
// recurse.
const maxDepth = 16

var (
	errDeep = errors.New("claims lie more than 16 deep in one another")
	errText = errors.New("claims are no UTF-8")
)

// payload is the middle part of a token. What it embeds only makes it a
// jwt.Claims: golang-jwt is told not to judge claims.
type payload struct {
	jwt.RegisteredClaims

	claims map[string]json.RawMessage
}

// UnmarshalJSON keeps the claims as they are. JSON that reaches it is well
// formed, but for broken UTF-8, which encoding/json lets pass.
func (p *payload) UnmarshalJSON(text []byte) error {
	if !utf8.Valid(text) {
		return errText
	}
	if depth(text) > maxDepth {
		return errDeep
	}
	return json.Unmarshal(text, &p.claims)
}

// depth is how deep lists and objects of well-formed JSON lie in one another.
func depth(text []byte) (deepest int) {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// times judges nbf, iat and exp at now. exp comes last, so that TokenExpired
// says that a newer token of the same kind would do.
func (p *payload) times(now time.Time) (expires time.Time, err error) {
	for _, c := range []struct{ name, early string }{
		{"nbf", "the token is not valid yet"},
		{"iat", "the token was issued in the future: a clock is wrong"},
	} {
		at, ok, err := p.time(c.name)
		if err != nil {
			return time.Time{}, err
		}
		if ok && at.After(now.Add(Leeway)) {
			return time.Time{}, refuse(c.early)
		}
	}
	expires, ok, err := p.time("exp")
	if err != nil {
		return time.Time{}, err
	}
	if ok && !now.Before(expires) {
		return time.Time{}, &Refusal{Code: wire.TokenExpired, Message: "the token has expired"}
	}
	return expires, nil
}

// lastSecond is the end of the year 9999. Whatever lies beyond is most often
// in milliseconds by mistake, and would never expire.
const lastSecond = 253402300799

// time reads a claim that is a time: unix seconds, perhaps with a fraction,
// which is kept to the microsecond, as far as float64 reaches in our time.
func (p *payload) time(name string) (at time.Time, ok bool, err error) {
	raw, ok := p.claims[name]
	if !ok {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds < 0 || seconds > lastSecond {
		return time.Time{}, false, refuse(name + " must be a time in unix seconds")
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))), true, nil
}

// asText reads a claim that is one text.
func asText(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' { // null is read as "" without an error
		return "", false
	}
	return text, json.Unmarshal(raw, &text) == nil
}

// holds reports whether a claim is want or, where it may be a list, holds it.
func holds(raw json.RawMessage, want string, list bool) bool {
	if text, ok := asText(raw); ok {
		return text == want
	}
	var all []string
	return list && json.Unmarshal(raw, &all) == nil && slices.Contains(all, want)
}
