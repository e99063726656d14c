package relation

import (
	"errors"
	"strings"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// ErrKey is what Parse answers for a key that is no fact.
var ErrKey = errors.New("relation: a fact is <type>.<id>.member.user.<user> or <type>.<id>.parent.<type>.<id>, ids escaped")

// The words between the parts of a key.
const (
	memberOf = ".member.user."
	parentOf = ".parent."
)

// Fact is one relation: a user is a member of a room, or a room has a parent.
// The zero Fact is none; others come from Parse, Member and Parent, and may be
// compared.
type Fact struct {
	room   string // key of the room that it is about
	parent string // key of that room's parent; empty: a member's fact
	user   string // escaped; empty: a parent's fact
}

// Member is the fact that user, a subject.ValidUser, is a member of room.
func Member(room subject.Room, user string) Fact {
	return Fact{room: room.Key(), user: subject.Escape(user)}
}

// Parent is the fact that who is a member of parent is one of room too.
func Parent(room, parent subject.Room) Fact {
	return Fact{room: room.Key(), parent: parent.Key()}
}

// Parse reads a key of the bucket of relations. Only the spelling that Key
// writes is a fact: one fact has one key.
func Parse(key string) (Fact, error) {
	room, rest, ok := cutRoom(key)
	if !ok {
		return Fact{}, ErrKey
	}
	if user, ok := strings.CutPrefix(rest, memberOf); ok {
		name, good := subject.Unescape(user)
		if good && subject.ValidUser(name) {
			return Fact{room: room, user: user}, nil
		}
		return Fact{}, ErrKey
	}
	if parent, ok := strings.CutPrefix(rest, parentOf); ok && isRoom(parent) {
		return Fact{room: room, parent: parent}, nil
	}
	return Fact{}, ErrKey
}

// cutRoom takes the first two tokens off a key.
func cutRoom(key string) (room, rest string, ok bool) {
	typ := strings.IndexByte(key, '.') + 1
	id := strings.IndexByte(key[typ:], '.')
	if typ == 0 || id < 0 {
		return "", "", false
	}
	room, rest = key[:typ+id], key[typ+id:]
	return room, rest, isRoom(room)
}

// Key is the fact as the bucket has it: team.red.member.user.ann.
func (f Fact) Key() string {
	if f.user != "" {
		return f.room + memberOf + f.user
	}
	return f.room + parentOf + f.parent
}

func isRoom(key string) bool {
	_, ok := subject.ParseKey(key)
	return ok
}

// nameOf is the room of a key that isRoom took.
func nameOf(key string) string {
	r, _ := subject.ParseKey(key)
	return r.String()
}
