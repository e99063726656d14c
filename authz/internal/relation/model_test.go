package relation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// model is the plain way: facts as they are, and every way up tried out.
type model struct {
	members map[subject.Room][]string
	parents map[subject.Room][]subject.Room
}

func (m model) member(user string, r subject.Room) bool {
	level := []subject.Room{r}
	for range relation.MaxDepth + 1 {
		var above []subject.Room
		for _, r := range level {
			if slices.Contains(m.members[r], user) {
				return true
			}
			for _, p := range m.parents[r] {
				if !slices.Contains(above, p) {
					above = append(above, p)
				}
			}
		}
		level = above
	}
	return false
}

// world is a few rooms and users, small enough that facts meet.
type world struct {
	rooms []subject.Room
	users []string
	model model
	graph relation.Graph
	rng   *rand.Rand
}

func newWorld(rng *rand.Rand) *world {
	w := &world{rng: rng, model: model{map[subject.Room][]string{}, map[subject.Room][]subject.Room{}}}
	for i := range 3 + rng.IntN(50) {
		w.rooms = append(w.rooms, subject.Room{Type: "r", ID: fmt.Sprint(i)})
	}
	for i := range 1 + rng.IntN(4) {
		w.users = append(w.users, fmt.Sprint("u", i))
	}
	return w
}

// change adds or removes a random fact in both, and returns it.
func (w *world) change(t *testing.T) subject.Fact {
	t.Helper()
	r := w.rooms[w.rng.IntN(len(w.rooms))]
	if w.rng.IntN(3) == 0 {
		user := w.users[w.rng.IntN(len(w.users))]
		return toggle(t, &w.graph, w.model.members, r, user, subject.MemberOf(r, user))
	}
	// Mostly the next room, so that there are long ways.
	p := w.rooms[(slices.Index(w.rooms, r)+1)%len(w.rooms)]
	if w.rng.IntN(3) == 0 {
		p = w.rooms[w.rng.IntN(len(w.rooms))]
	}
	return toggle(t, &w.graph, w.model.parents, r, p, subject.ParentOf(r, p))
}

func toggle[V comparable](t *testing.T, g *relation.Graph, in map[subject.Room][]V, r subject.Room, v V, f subject.Fact) subject.Fact {
	t.Helper()
	if i := slices.Index(in[r], v); i >= 0 {
		in[r] = slices.Delete(in[r], i, i+1)
		if !g.Remove(f) {
			t.Fatalf("Remove(%s) = false", f.Key())
		}
		return f
	}
	in[r] = append(in[r], v)
	if !g.Add(f) {
		t.Fatalf("Add(%s) = false", f.Key())
	}
	return f
}

// pair is one user in one room.
type pair struct {
	user string
	room subject.Room
}

func (w *world) members() map[pair]bool {
	all := map[pair]bool{}
	for _, user := range w.users {
		for _, r := range w.rooms {
			all[pair{user, r}] = w.model.member(user, r)
		}
	}
	return all
}

// Whatever facts come and go, the graph and the plain model agree on every user
// in every room, and whose membership changed was touched.
func TestRandomGraphsAgreeWithAPlainModel(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(rand.New(rand.NewPCG(seed, 1)))
		before := w.members()
		for i := range 120 {
			most := 1 + w.rng.IntN(60)
			f := w.change(t)
			after, touched := w.members(), w.graph.Touched(f, most)
			for p, is := range after {
				if got := w.graph.Member(p.user, p.room); got != is {
					t.Fatalf("seed %d, change %d (%s): Member(%s, %s) = %v, want %v", seed, i, f.Key(), p.user, p.room, got, is)
				}
				if is != before[p] && !names(touched, p) {
					t.Fatalf("seed %d, change %d (%s): %s in %s changed and is not in %v", seed, i, f.Key(), p.user, p.room, touched)
				}
			}
			before = after
		}
	}
}

func names(t relation.Touched, p pair) bool {
	return (t.Users == nil || slices.Contains(t.Users, p.user)) && (t.Rooms == nil || slices.Contains(t.Rooms, p.room.String()))
}
