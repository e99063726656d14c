package rights

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func room(name string) subject.Room {
	r, err := subject.ParseRoom(name)
	if err != nil {
		panic(err)
	}
	return r
}

func TestAChangeConcernsThoseWhomItNames(t *testing.T) {
	for name, c := range map[string]struct {
		change  Change
		who, in string
		want    bool
	}{
		"nobody":                        {Change{}, "ann", "task:1", false},
		"everyone":                      {Everyone(), "ann", "task:1", true},
		"whoever is named":              {Of(wire.Touched{Users: []string{"bob", "ann"}}), "ann", "task:1", true},
		"nobody else":                   {Of(wire.Touched{Users: []string{"bob"}}), "ann", "task:1", false},
		"everyone in a room":            {Of(wire.Touched{Rooms: []string{"task:1"}}), "ann", "task:1", true},
		"nobody in another":             {Of(wire.Touched{Rooms: []string{"task:1"}}), "ann", "task:2", false},
		"everyone in rooms of a type":   {Of(wire.Touched{Types: []string{"task"}}), "ann", "task:1", true},
		"nobody in another type":        {Of(wire.Touched{Types: []string{"team"}}), "ann", "task:1", false},
		"a room, or rooms of a type":    {Of(wire.Touched{Types: []string{"team"}, Rooms: []string{"task:1"}}), "ann", "task:1", true},
		"a user in a room":              {Of(wire.Touched{Users: []string{"ann"}, Rooms: []string{"task:1"}}), "ann", "task:1", true},
		"but not in another":            {Of(wire.Touched{Users: []string{"ann"}, Rooms: []string{"task:1"}}), "ann", "task:2", false},
		"nor another user":              {Of(wire.Touched{Users: []string{"ann"}, Rooms: []string{"task:1"}}), "bob", "task:1", false},
		"all, when it names nothing":    {Of(wire.Touched{}), "ann", "task:1", true},
		"one of several":                {Of(wire.Touched{Users: []string{"bob"}}, wire.Touched{Rooms: []string{"task:1"}}), "ann", "task:1", true},
		"not the sum of what parts say": {Of(wire.Touched{Users: []string{"ann"}, Rooms: []string{"task:1"}}, wire.Touched{Users: []string{"bob"}, Rooms: []string{"task:2"}}), "ann", "task:2", false},
	} {
		if got := c.change.Concerns(c.who, room(c.in)); got != c.want {
			t.Errorf("%s: Concerns(%s, %s) = %v, want %v", name, c.who, c.in, got, c.want)
		}
	}
}

func TestAChangeSaysWhomToLookFor(t *testing.T) {
	for name, c := range map[string]struct {
		change Change
		users  []string
		rooms  []string
		ok     bool
	}{
		"nobody":              {change: Change{}, ok: true},
		"everyone":            {change: Everyone()},
		"users":               {Of(wire.Touched{Users: []string{"ann"}}, wire.Touched{Users: []string{"bob"}, Types: []string{"task"}}), []string{"ann", "bob"}, nil, true},
		"members of rooms":    {Of(wire.Touched{Rooms: []string{"task:a b", "no room"}}), nil, []string{"task.a=20b"}, true},
		"users and members":   {Of(wire.Touched{Users: []string{"ann"}}, wire.Touched{Rooms: []string{"task:1"}}), []string{"ann"}, []string{"task.1"}, true},
		"all rooms of a type": {change: Of(wire.Touched{Types: []string{"task"}}, wire.Touched{Users: []string{"ann"}})},
		"everything":          {change: Of(wire.Touched{})},
	} {
		users, rooms, ok := c.change.Named()
		if ok != c.ok || ok && (!slices.Equal(slices.Sorted(maps.Keys(users)), c.users) || !slices.Equal(rooms, c.rooms)) {
			t.Errorf("%s: Named() = %v, %v, %v, want %v, %v, %v", name, users, rooms, ok, c.users, c.rooms, c.ok)
		}
	}
}

func ExampleChange() {
	c := Of(wire.Touched{Users: []string{"ann"}, Types: []string{"task"}})
	fmt.Println(c.Concerns("ann", room("task:42")), c.Concerns("ann", room("team:red")), c.Concerns("bob", room("task:42")))
	// Output: true false false
}

// BenchmarkConcerns holds each of many members to a change that names as many.
func BenchmarkConcerns(b *testing.B) {
	var t wire.Touched
	for i := range 10_000 {
		t.Users, t.Rooms = append(t.Users, fmt.Sprintf("user%d", i)), append(t.Rooms, fmt.Sprintf("task:%d", i))
	}
	c, r := Of(t), room("task:9999")
	b.ReportAllocs()
	for b.Loop() {
		c.Concerns("user9999", r)
	}
}
