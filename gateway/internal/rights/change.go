package rights

import (
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Change is whose rights may be others now. The zero Change concerns nobody.
type Change struct {
	all   bool
	parts []part
}

// part is a wire.Touched that is looked up in: 10,000 members may be held to
// one that names as many.
type part struct {
	users, rooms, types map[string]bool
}

// Everyone is a change that may concern all users in all rooms.
func Everyone() Change { return Change{all: true} }

// Of is a change that concerns those whom one of touched names.
func Of(touched ...wire.Touched) (c Change) {
	for _, t := range touched {
		c.parts = append(c.parts, part{set(t.Users), set(t.Rooms), set(t.Types)})
	}
	return c
}

func set(list []string) map[string]bool {
	s := make(map[string]bool, len(list))
	for _, text := range list {
		s[text] = true
	}
	return s
}

// Concerns reports whether a user's rights in a room may be others now.
func (c Change) Concerns(user string, room subject.Room) bool {
	if c.all {
		return true
	}
	for _, p := range c.parts {
		if p.concerns(user, room) {
			return true
		}
	}
	return false
}

func (p part) concerns(user string, room subject.Room) bool {
	switch {
	case len(p.users) > 0 && !p.users[user]:
		return false
	case len(p.rooms) == 0 && len(p.types) == 0:
		return true
	}
	return p.types[room.Type] || len(p.rooms) > 0 && p.rooms[room.String()]
}

// Named is whom to look for: users, and keys of rooms whose members are meant.
// It reports false where that does not tell, and everyone must be looked at.
func (c Change) Named() (users map[string]bool, rooms []string, ok bool) {
	users = map[string]bool{}
	for _, p := range c.parts {
		switch {
		case len(p.users) > 0:
			for user := range p.users {
				users[user] = true
			}
		case len(p.types) > 0 || len(p.rooms) == 0:
			return nil, nil, false
		default:
			for name := range p.rooms {
				if room, err := subject.ParseRoom(name); err == nil {
					rooms = append(rooms, room.Key())
				}
			}
		}
	}
	return users, rooms, !c.all
}
