package roster

import (
	"strings"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Key is what a connection's record stands under in HUB_PRESENCE.
type Key struct{ User, Gateway, Conn string }

// String is the key as the bucket spells it: <user>.<gateway>.<conn>, each
// escaped as a token.
func (k Key) String() string {
	return subject.Escape(k.User) + "." + subject.Escape(k.Gateway) + "." + subject.Escape(k.Conn)
}

// ParseKey reads a key of the bucket. It reports false for any other text.
func ParseKey(text string) (k Key, ok bool) {
	user, rest, _ := strings.Cut(text, ".")
	gateway, conn, _ := strings.Cut(rest, ".")
	for _, part := range []struct {
		to    *string
		token string
	}{{&k.User, user}, {&k.Gateway, gateway}, {&k.Conn, conn}} {
		if *part.to, ok = subject.Unescape(part.token); !ok {
			return Key{}, false
		}
	}
	return k, subject.ValidUser(k.User)
}
