package relation

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Touched is whom a fact concerns: each of Users in each of Rooms.
type Touched struct {
	Users []string // nil: too many to name, so every user
	Rooms []string // type:id; nil: too many to name, so every room
}

// Touched says whose membership of which rooms the fact may decide, whether it
// is there or not: for everybody else, Member says the same with and without
// it. Lists longer than most are not made.
func (g *Graph) Touched(f subject.Fact, most int) Touched {
	rooms := g.below(f.Room, most)
	if f.Relation == subject.Member {
		return Touched{Users: []string{f.To.ID}, Rooms: rooms}
	}
	return Touched{Users: g.above(f.To, most), Rooms: rooms}
}

// below is the room and all below it, or nil when they are more than most.
func (g *Graph) below(room subject.Room, most int) (rooms []string) {
	from, ok := g.rooms.number[room.Key()]
	if !ok {
		return []string{room.String()}
	}
	whole := g.walk(from, down, most, func(way []step, at int) bool {
		rooms = append(rooms, g.room(way[at].room).String())
		return true
	})
	if !whole {
		return nil
	}
	return rooms
}

// above is the members of the room and of all above it: never nil, unless the
// facts that say so are more than most. Those are counted first, since tasks of
// a project of thousands come and go by thousands too.
func (g *Graph) above(room subject.Room, most int) (users []string) {
	from, ok := g.rooms.number[room.Key()]
	if !ok {
		return []string{}
	}
	var all []uint32
	count := 0
	whole := g.walk(from, up, most, func(way []step, at int) bool {
		count += len(g.nodes[way[at].room].members)
		if count <= most {
			all = append(all, g.nodes[way[at].room].members...)
		}
		return count <= most
	})
	if !whole || count > most {
		return nil
	}
	slices.Sort(all)
	all = slices.Compact(all)
	users = make([]string, len(all))
	for i, user := range all {
		users[i], _ = subject.Unescape(g.users.text[user])
	}
	return users
}
