package listener

import (
	"testing"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

func TestPlaces(t *testing.T) {
	at := func(epoch string, offset uint64) hub.Position { return hub.Position{Epoch: epoch, Offset: offset} }
	stories := map[string]struct {
		steps func(places)
		room  string
		want  hub.Position
	}{
		"a room never entered has none":                 {func(places) {}, "task:1", at("", 0)},
		"it begins where it was entered":                {func(p places) { p.begin("task:1", at("e", 5), 0) }, "task:1", at("e", 5)},
		"it moves with its events":                      {func(p places) { p.begin("task:1", at("e", 5), 0); p.event("task:1", 7) }, "task:1", at("e", 7)},
		"another room's events do not move it":          {func(p places) { p.begin("task:1", at("e", 5), 0); p.event("task:2", 7) }, "task:1", at("e", 5)},
		"a pulse moves it":                              {func(p places) { p.begin("task:1", at("e", 5), 0); p.complete(at("e", 9)) }, "task:1", at("e", 9)},
		"an older pulse does not move it back":          {func(p places) { p.begin("task:1", at("e", 5), 0); p.complete(at("e", 3)) }, "task:1", at("e", 5)},
		"entered again, it stays until the missed came": {func(p places) { p.begin("task:1", at("e", 5), 0); p.begin("task:1", at("e", 9), 2) }, "task:1", at("e", 5)},
		"the missed move it": {func(p places) {
			p.begin("task:1", at("e", 5), 0)
			p.begin("task:1", at("e", 9), 2)
			p.event("task:1", 8)
		}, "task:1", at("e", 8)},
		"another log begins anew, also lower": {func(p places) { p.begin("task:1", at("e", 5), 0); p.begin("task:1", at("f", 2), 0) }, "task:1", at("f", 2)},
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			p := places{}
			s.steps(p)
			var got hub.Position
			if since := p.since(s.room); since != nil {
				got = *since
			}
			if got != s.want {
				t.Errorf("since(%s) = %v, want %v", s.room, got, s.want)
			}
		})
	}
}

func TestThePlaceOfSeveralRoomsIsTheLeast(t *testing.T) {
	p := places{"a": {Epoch: "e", Offset: 5}, "b": {Epoch: "e", Offset: 3}, "c": {Epoch: "f", Offset: 9}}
	tests := map[string]struct {
		rooms []string
		want  hub.Position
	}{
		"of one log":            {[]string{"a", "b"}, hub.Position{Epoch: "e", Offset: 3}},
		"none of two logs":      {[]string{"a", "c"}, hub.Position{}},
		"none with an unknown":  {[]string{"a", "x"}, hub.Position{}},
		"none of no rooms":      {nil, hub.Position{}},
		"one room's is its own": {[]string{"c"}, hub.Position{Epoch: "f", Offset: 9}},
	}
	for name, c := range tests {
		if got := p.sinceAll(c.rooms); got != c.want {
			t.Errorf("%s: sinceAll(%v) = %v, want %v", name, c.rooms, got, c.want)
		}
	}
}
