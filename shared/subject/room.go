package subject

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of names, in bytes.
const (
	MaxRoomType = 32  // a room's type
	MaxRoomID   = 128 // a room's id, before escaping
	MaxEvent    = 128 // an event's name
	MaxUser     = 128 // a user
)

// ErrRoom is what ParseRoom answers for text that names no room.
var ErrRoom = errors.New("subject: a room is type:id, the type [a-z][a-z0-9-]{0,31}, the id 1 to 128 bytes of UTF-8 without control characters")

// Room is what clients join, for example task:42. The zero Room is no room;
// other values come from ParseRoom, ParseKey, User or All.
type Room struct{ Type, ID string }

// ParseRoom reads "type:id". The id may hold further colons.
func ParseRoom(s string) (Room, error) {
	typ, id, ok := strings.Cut(s, ":")
	if !ok || !validType(typ) || !validText(id, MaxRoomID) {
		return Room{}, ErrRoom
	}
	return Room{Type: typ, ID: id}, nil
}

// userType is the type of rooms that belong to one user each.
const userType = "user"

// User is the room that belongs to one user. The name must be ValidUser.
func User(user string) Room { return Room{Type: userType, ID: user} }

// All is the room that every connection is in.
func All() Room { return Room{Type: "hub", ID: "all"} }

func (r Room) String() string { return r.Type + ":" + r.ID }

// Key is the room's two tokens as they stand in a subject: "task.42". It is
// one text a room, so maps of rooms are keyed by it and an event's subject
// finds its room without being unescaped.
func (r Room) Key() string { return r.Type + "." + Escape(r.ID) }

// ParseKey reads two tokens back into the room. It reports false for any
// spelling but the one that Key writes.
func ParseKey(key string) (r Room, ok bool) {
	typ, tok, ok := strings.Cut(key, ".")
	if !ok || !validType(typ) {
		return Room{}, false
	}
	id, ok := Unescape(tok)
	if !ok || !validText(id, MaxRoomID) {
		return Room{}, false
	}
	return Room{Type: typ, ID: id}, true
}

// ValidUser reports whether s can be a user: 1 to 128 bytes that can also be
// a room's id, since every user has a room, and no space at either end, which
// a header of NATS would lose: "ann " would speak to backends as ann.
func ValidUser(s string) bool { return validText(s, MaxUser) && strings.Trim(s, " ") == s }

// ValidEvent reports whether s can be an event's name: 1 to 128 bytes of
// UTF-8, no control characters, no space at either end, and no empty part
// between colons.
func ValidEvent(s string) bool {
	if !validText(s, MaxEvent) || s[0] == ':' || s[len(s)-1] == ':' || strings.Contains(s, "::") {
		return false
	}
	return strings.TrimFunc(s, unicode.IsSpace) == s
}

func validType(s string) bool {
	if s == "" || len(s) > MaxRoomType || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func validText(s string, most int) bool { //nolint:unparam // the bounds are equal today, and rules of their own
	if s == "" || len(s) > most {
		return false
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r <= 0x9f {
			return false
		}
		i += n
	}
	return true
}
