package rights

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Change is whose rights may be others now: all, or those whom one of Touched
// names. The zero Change concerns nobody.
type Change struct {
	All     bool
	Touched []wire.Touched
}

// Concerns reports whether a user's rights in a room may be others now.
func (c Change) Concerns(user string, room subject.Room) bool {
	return c.All || slices.ContainsFunc(c.Touched, func(t wire.Touched) bool {
		switch {
		case len(t.Users) > 0 && !slices.Contains(t.Users, user):
			return false
		case len(t.Rooms) == 0 && len(t.Types) == 0:
			return true
		}
		return slices.Contains(t.Types, room.Type) || slices.Contains(t.Rooms, room.String())
	})
}

// Named is whom to look for: users, and keys of rooms whose members are meant.
// It reports false where that does not tell, and everyone must be looked at.
func (c Change) Named() (users, rooms []string, ok bool) {
	if c.All {
		return nil, nil, false
	}
	for _, t := range c.Touched {
		switch {
		case len(t.Users) > 0:
			users = append(users, t.Users...)
		case len(t.Types) > 0 || len(t.Rooms) == 0:
			return nil, nil, false
		default:
			for _, name := range t.Rooms {
				if room, err := subject.ParseRoom(name); err == nil {
					rooms = append(rooms, room.Key())
				}
			}
		}
	}
	return users, rooms, true
}
