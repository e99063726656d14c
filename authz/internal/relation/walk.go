package relation

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// step is a room on the way up from another, or down.
type step struct {
	room uint32
	from int // the step before it; -1: the first
}

// walk goes through all rooms within MaxDepth steps of one, each once and
// nearest first, until visit returns false or more than most are found.
func (g *Graph) walk(from uint32, next func(*node) []uint32, most int, visit func(way []step, at int) (on bool)) (whole bool) {
	way := append(make([]step, 0, 16), step{from, -1})
	seen := visited{}
	seen.add(from)
	for at, end, depth := 0, 1, 0; at < len(way); at++ {
		if at == end { // all of this distance are done
			end, depth = len(way), depth+1
		}
		if !visit(way, at) {
			return true
		}
		if depth == MaxDepth {
			continue
		}
		for _, room := range next(&g.nodes[way[at].room]) {
			if !seen.add(room) {
				continue
			}
			if len(way) == most {
				return false
			}
			way = append(way, step{room, at})
		}
	}
	return true
}

// visited is a small set that allocates only when it is no longer small. Most
// rooms have two or three ancestors.
type visited struct {
	few  [16]uint32
	n    int
	many map[uint32]struct{}
}

// add reports false for a number that is there already.
func (v *visited) add(i uint32) (added bool) {
	if v.many == nil {
		if slices.Contains(v.few[:v.n], i) {
			return false
		}
		if v.n < len(v.few) {
			v.few[v.n] = i
			v.n++
			return true
		}
		v.many = make(map[uint32]struct{}, 4*len(v.few))
		for _, old := range v.few {
			v.many[old] = struct{}{}
		}
	}
	if _, ok := v.many[i]; ok {
		return false
	}
	v.many[i] = struct{}{}
	return true
}

func up(n *node) []uint32   { return n.parents }
func down(n *node) []uint32 { return n.children }

// unbounded lets walk find all rooms there are.
const unbounded = -1

// Member reports whether user is a member of room or of a room at most MaxDepth
// steps above it.
func (g *Graph) Member(user string, room subject.Room) bool {
	found := false
	g.climb(user, room, func([]step, int) { found = true })
	return found
}

// Chain is the keys of the facts that make user a member of room, the nearest
// to the room first and the shortest such way; nil when there is none.
func (g *Graph) Chain(user string, room subject.Room) (keys []string) {
	g.climb(user, room, func(way []step, at int) {
		above := g.room(way[at].room)
		keys = append(keys, subject.MemberOf(above, user).Key())
		for ; way[at].from >= 0; at = way[at].from {
			below := g.room(way[way[at].from].room)
			keys = append(keys, subject.ParentOf(below, above).Key())
			above = below
		}
		slices.Reverse(keys)
	})
	return keys
}

// room is the room of a number.
func (g *Graph) room(number uint32) subject.Room {
	r, _ := subject.ParseKey(g.rooms.text[number])
	return r
}

// climb calls found with the way to the nearest room above that user is a
// member of, if there is one.
func (g *Graph) climb(user string, room subject.Room, found func(way []step, at int)) {
	who, known := g.users.number[subject.Escape(user)]
	from, there := g.rooms.number[room.Key()]
	if !known || !there {
		return
	}
	g.walk(from, up, unbounded, func(way []step, at int) bool {
		if !g.nodes[way[at].room].has(who) {
			return true
		}
		found(way, at)
		return false
	})
}
