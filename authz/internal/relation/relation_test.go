package relation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func room(tb testing.TB, text string) subject.Room {
	tb.Helper()
	r, err := subject.ParseRoom(text)
	if err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
	return r
}

func fact(tb testing.TB, key string) subject.Fact {
	tb.Helper()
	f, ok := subject.ParseFact(key)
	if !ok {
		tb.Fatalf("%q is no fact", key)
	}
	return f
}

// graph is one of the facts, added in their order.
func graph(tb testing.TB, keys ...string) *relation.Graph {
	tb.Helper()
	g := new(relation.Graph)
	for _, key := range keys {
		g.Add(fact(tb, key))
	}
	return g
}

// ring is n rooms, each the parent of the one before it, the first of the last.
func ring(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("task.%d.parent.task.%d", i, (i+1)%n))
	}
	return keys
}

func TestWhoIsAMemberIsProvedByAChain(t *testing.T) {
	house := []string{"team.red.member.user.ann", "project.7.parent.team.red", "task.42.parent.project.7", "task.42.member.user.bob"}
	for name, c := range map[string]struct {
		facts      []string
		user, room string
		want       string // the chain; empty: no member
	}{
		"a member of the room itself":          {house, "bob", "task:42", "task.42.member.user.bob"},
		"a member of the room's parent":        {house, "ann", "project:7", "project.7.parent.team.red team.red.member.user.ann"},
		"a member of the parent's parent":      {house, "ann", "task:42", "task.42.parent.project.7 project.7.parent.team.red team.red.member.user.ann"},
		"below is not above":                   {house, "bob", "project:7", ""},
		"a user whom nobody knows":             {house, "eve", "task:42", ""},
		"a room that nobody knows":             {house, "ann", "task:43", ""},
		"nobody":                               {house, "", "task:42", ""},
		"a user of another name's begin":       {house, "an", "team:red", ""},
		"names that need escaping":             {[]string{"team.a=20b.member.user.ann=40example=2ecom"}, "ann@example.com", "team:a b", "team.a=20b.member.user.ann=40example=2ecom"},
		"the shorter of two ways":              {append([]string{"task.42.parent.team.red"}, house...), "ann", "task:42", "task.42.parent.team.red team.red.member.user.ann"},
		"one of two parents is enough":         {append([]string{"task.42.parent.project.8"}, house...), "ann", "task:42", "task.42.parent.project.7 project.7.parent.team.red team.red.member.user.ann"},
		"a ring that has her as a member":      {append(ring(3), "task.2.member.user.ann"), "ann", "task:0", "task.0.parent.task.1 task.1.parent.task.2 task.2.member.user.ann"},
		"a ring that has others":               {append(ring(3), "task.2.member.user.ann"), "bob", "task:0", ""},
		"32 steps above":                       {append(ring(40), "task.32.member.user.ann"), "ann", "task:0", "…"},
		"33 steps above":                       {append(ring(40), "task.33.member.user.ann"), "ann", "task:0", ""},
		"a ring that is longer than we follow": {ring(100_000), "ann", "task:0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g, r := graph(t, c.facts...), room(t, c.room)
			chain := g.Chain(c.user, r)
			if got := strings.Join(chain, " "); c.want != "…" && got != c.want {
				t.Errorf("Chain(%q, %s) = %q, want %q", c.user, r, got, c.want)
			}
			if got := g.Member(c.user, r); got != (c.want != "") || got != (chain != nil) {
				t.Errorf("Member(%q, %s) = %v, want %v", c.user, r, got, c.want != "")
			}
		})
	}
}

func TestAFactThatGoesTakesOnlyItselfAlong(t *testing.T) {
	g := graph(t, "team.red.member.user.ann", "team.red.member.user.bob", "task.1.parent.team.red", "task.2.parent.team.red")
	if g.Add(fact(t, "team.red.member.user.ann")) || g.Len() != 4 {
		t.Errorf("a fact that is known counts again: %d", g.Len())
	}
	for _, key := range []string{"team.red.member.user.ann", "task.1.parent.team.red"} {
		if !g.Remove(fact(t, key)) || g.Remove(fact(t, key)) {
			t.Errorf("%s goes not at all, or twice", key)
		}
	}
	for _, c := range []struct {
		user, room string
		want       bool
	}{{"ann", "team:red", false}, {"bob", "team:red", true}, {"bob", "task:1", false}, {"bob", "task:2", true}} {
		if got := g.Member(c.user, room(t, c.room)); got != c.want {
			t.Errorf("Member(%s, %s) = %v, want %v", c.user, c.room, got, c.want)
		}
	}
	if g.Remove(fact(t, "cake.1.parent.cake.2")) || g.Len() != 2 {
		t.Errorf("a fact that never was goes: %d are left", g.Len())
	}
}

func TestTouchedNamesWhomAFactConcerns(t *testing.T) {
	house := graph(t, "org.x.member.user.eve", "team.red.parent.org.x", "team.red.member.user.ann", "team.red.member.user.bob",
		"project.7.parent.team.red", "task.1.parent.project.7", "task.2.parent.project.7", "project.8.parent.team.blue")
	for name, c := range map[string]struct {
		fact        string
		most        int
		users, room []string // nil: every one
	}{
		"a member":                            {"team.red.member.user.ann", 9, []string{"ann"}, []string{"project:7", "task:1", "task:2", "team:red"}},
		"a member that is not there":          {"project.7.member.user.dan", 9, []string{"dan"}, []string{"project:7", "task:1", "task:2"}},
		"a member of a room nobody knows":     {"cake.a=20b.member.user.dan", 9, []string{"dan"}, []string{"cake:a b"}},
		"a member of a room of too many":      {"team.red.member.user.ann", 3, []string{"ann"}, nil},
		"a parent":                            {"project.7.parent.team.red", 9, []string{"ann", "bob", "eve"}, []string{"project:7", "task:1", "task:2"}},
		"a parent that is not there":          {"project.8.parent.org.x", 9, []string{"eve"}, []string{"project:8"}},
		"a parent that nobody is a member of": {"project.8.parent.team.blue", 9, []string{}, []string{"project:8"}},
		"a parent nobody knows":               {"project.8.parent.cake.1", 9, []string{}, []string{"project:8"}},
		"a parent with too many members":      {"task.2.parent.project.7", 2, nil, []string{"task:2"}},
		"a parent with too many rooms above":  {"task.2.parent.project.7", 1, nil, []string{"task:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := house.Touched(fact(t, c.fact), c.most)
			slices.Sort(got.Users)
			slices.Sort(got.Rooms)
			if !slices.Equal(got.Users, c.users) || !slices.Equal(got.Rooms, c.room) || (got.Users == nil) != (c.users == nil) || (got.Rooms == nil) != (c.room == nil) {
				t.Errorf("Touched(%s, %d) = %q in %q, want %q in %q", c.fact, c.most, got.Users, got.Rooms, c.users, c.room)
			}
		})
	}
}

func ExampleGraph_Chain() {
	var g relation.Graph
	for _, key := range []string{"team.red.member.user.ann", "project.7.parent.team.red", "task.42.parent.project.7"} {
		f, ok := subject.ParseFact(key)
		fmt.Println(key, ok && g.Add(f))
	}
	task := subject.Room{Type: "task", ID: "42"}
	for _, key := range g.Chain("ann", task) {
		fmt.Println(key)
	}
	fmt.Println(g.Member("bob", task))
	// Output:
	// team.red.member.user.ann true
	// project.7.parent.team.red true
	// task.42.parent.project.7 true
	// task.42.parent.project.7
	// project.7.parent.team.red
	// team.red.member.user.ann
	// false
}
