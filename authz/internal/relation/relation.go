// Package relation knows who is a member of which room: by a fact about the
// room itself, or about one above it.
//
//	team.red.member.user.ann     ann is a member of team:red
//	project.7.parent.team.red    and so of project:7
//	task.42.parent.project.7     and so of task:42
//
// It hears of facts one by one, in whatever order, and holds nothing else. It
// does not say what a member may do (see policy) or where facts come from (see
// serve). A room may have several parents and its ancestors may form a ring.
//
// Read this file first (the graph), then walk.go (who is a member, and through
// what) and touched.go (whom a fact concerns).
package relation

import (
	"slices"
	"strings"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// MaxDepth is how many steps above a room its members are looked for. Nobody's
// organisation is that deep; facts that lead in circles or for ever are.
//
// It bounds the length of the way and not the number of rooms on it: so whether
// somebody is a member depends on the facts along one way alone, and Touched can
// name all whom a fact concerns.
const MaxDepth = 32

// Graph is all facts. The zero Graph is ready to use and holds none. It is safe
// for concurrent reading while nobody writes.
type Graph struct {
	rooms names
	users names
	nodes []node // by the room's number

	facts int
}

// node is what is known of one room. Members are ascending, so that one of
// 100,000 is found in 17 steps. Parents are few; children are looked through
// only when a fact goes.
type node struct {
	parents  []uint32
	children []uint32
	members  []uint32
}

// names gives texts numbers, which are a quarter of a string's header, and
// takes them back when nothing uses them any more.
type names struct {
	number map[string]uint32
	text   []string
	uses   []uint32
	free   []uint32
}

// take returns the number of text and counts one more use.
func (n *names) take(text string) uint32 {
	i, ok := n.number[text]
	switch {
	case ok:
	case len(n.free) > 0:
		i = n.free[len(n.free)-1]
		n.free = n.free[:len(n.free)-1]
	default:
		i = uint32(len(n.text)) //nolint:gosec // memory ends long before 4 billion names
		n.text, n.uses = append(n.text, ""), append(n.uses, 0)
	}
	if !ok {
		if n.number == nil {
			n.number = map[string]uint32{}
		}
		text = strings.Clone(text) // not the whole key of the bucket that it may be a part of
		n.number[text], n.text[i] = i, text
	}
	n.uses[i]++
	return i
}

// drop counts one use less.
func (n *names) drop(i uint32) {
	n.uses[i]--
	if n.uses[i] == 0 {
		delete(n.number, n.text[i])
		n.text[i] = ""
		n.free = append(n.free, i)
	}
}

// Len is how many facts there are.
func (g *Graph) Len() int { return g.facts }

// Add notes a valid fact, and reports false when it was known already.
func (g *Graph) Add(f subject.Fact) (added bool) {
	if _, _, known := g.find(f); known {
		return false
	}
	g.facts++
	room := g.node(f.Room.Key())
	if f.Relation == subject.Member {
		user := g.users.take(subject.Escape(f.To.ID))
		at, _ := slices.BinarySearch(g.nodes[room].members, user)
		g.nodes[room].members = slices.Insert(g.nodes[room].members, at, user)
		return true
	}
	parent := g.node(f.To.Key())
	g.nodes[room].parents = append(g.nodes[room].parents, parent)
	g.nodes[parent].children = append(g.nodes[parent].children, room)
	return true
}

// Remove forgets a fact, and reports false when there was none.
func (g *Graph) Remove(f subject.Fact) (removed bool) {
	room, to, known := g.find(f)
	if !known {
		return false
	}
	g.facts--
	if f.Relation == subject.Member {
		at, _ := slices.BinarySearch(g.nodes[room].members, to)
		g.nodes[room].members = slices.Delete(g.nodes[room].members, at, at+1)
		g.users.drop(to)
	} else {
		g.nodes[room].parents = without(g.nodes[room].parents, to)
		g.nodes[to].children = without(g.nodes[to].children, room)
		g.release(to)
	}
	g.release(room)
	return true
}

// find returns the numbers of the room and of the user or the parent that it is
// related to, where the fact is known.
func (g *Graph) find(f subject.Fact) (room, to uint32, known bool) {
	room, known = g.rooms.number[f.Room.Key()]
	if !known {
		return 0, 0, false
	}
	if f.Relation == subject.Member {
		to, known = g.users.number[subject.Escape(f.To.ID)]
		return room, to, known && g.nodes[room].has(to)
	}
	to, known = g.rooms.number[f.To.Key()]
	return room, to, known && slices.Contains(g.nodes[room].parents, to)
}

func (n *node) has(user uint32) bool {
	_, ok := slices.BinarySearch(n.members, user)
	return ok
}

// node returns the number of a room, for one more fact.
func (g *Graph) node(key string) uint32 {
	i := g.rooms.take(key)
	if int(i) == len(g.nodes) {
		g.nodes = append(g.nodes, node{})
	}
	return i
}

// release gives up a room for one fact less, and its lists with the last one.
func (g *Graph) release(room uint32) {
	g.rooms.drop(room)
	if g.rooms.uses[room] == 0 {
		g.nodes[room] = node{}
	}
}

// without takes one number out of a list whose order means nothing.
func without(list []uint32, one uint32) []uint32 {
	at, last := slices.Index(list, one), len(list)-1
	list[at] = list[last]
	return list[:last]
}
