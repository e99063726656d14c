package bucket

import (
	"errors"
	"strings"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Key names a bucket: a limit, and whom it limits.
type Key struct {
	Limit string // user.messages
	Owner string // ann, not escaped
}

// ErrKey is what ParseKey says of text that names no bucket.
var ErrKey = errors.New("bucket: want <limit>/<owner>, the owner escaped as one token, as in user.messages/ann")

// ParseKey reads the name that a gateway asks for: user.messages/ann. The owner
// is spelt as a token of a subject, in the one spelling that subject.Escape
// makes; so nobody has two buckets.
func ParseKey(text string) (Key, error) {
	i := strings.LastIndexByte(text, '/')
	if i < 1 {
		return Key{}, ErrKey
	}
	owner, ok := subject.Unescape(text[i+1:])
	if !ok || !subject.ValidUser(owner) {
		return Key{}, ErrKey
	}
	return Key{Limit: text[:i], Owner: owner}, nil
}

// Record is the key of the KV bucket under which the bucket is kept: two
// tokens, user=2emessages.ann.
func (k Key) Record() string { return subject.Escape(k.Limit) + "." + subject.Escape(k.Owner) }
