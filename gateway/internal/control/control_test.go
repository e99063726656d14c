package control

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestAnAskSaysWhichConnectionsItMeans(t *testing.T) {
	moves, looks := []wire.CtlVerb{wire.CtlJoin, wire.CtlLeave}, []wire.CtlVerb{wire.CtlGet, wire.CtlClose}
	for name, c := range map[string]struct {
		verbs []wire.CtlVerb
		ask   wire.CtlAsk
		ok    bool
	}{
		"one":                            {looks, wire.CtlAsk{Connection: "g-1"}, true},
		"a user's":                       {looks, wire.CtlAsk{User: "ann"}, true},
		"those in a room":                {looks, wire.CtlAsk{Room: "task:1"}, true},
		"none":                           {looks, wire.CtlAsk{Reason: "x"}, false},
		"two ways at once":               {looks, wire.CtlAsk{Connection: "g-1", User: "ann"}, false},
		"a user's in a room":             {looks, wire.CtlAsk{User: "ann", Room: "task:1"}, false},
		"those in what is no room":       {looks, wire.CtlAsk{Room: "task"}, false},
		"what is no user's":              {looks, wire.CtlAsk{User: "ann "}, false},
		"one, to a room":                 {moves, wire.CtlAsk{Connection: "g-1", Room: "task:1"}, true},
		"a user's, to a room":            {moves, wire.CtlAsk{User: "ann", Room: "task:1", Reason: "x"}, true},
		"to a room, but not whose":       {moves, wire.CtlAsk{Room: "task:1"}, false},
		"to no room":                     {moves, wire.CtlAsk{User: "ann"}, false},
		"to what is no room":             {moves, wire.CtlAsk{User: "ann", Room: ":"}, false},
		"to a room, in two ways at once": {moves, wire.CtlAsk{User: "ann", Connection: "g-1", Room: "task:1"}, false},
	} {
		for _, verb := range c.verbs {
			if why := check(verb, c.ask); (why == "") != c.ok {
				t.Errorf("%s: check(%s, %+v) = %q, want a fault: %v", name, verb, c.ask, why, !c.ok)
			}
		}
	}
}

func TestAnswersFitIntoAMessage(t *testing.T) {
	var list []wire.CtlConnection
	for i := range 100 {
		list = append(list, wire.CtlConnection{Connection: fmt.Sprintf("g-%02d", i), Rooms: []string{strings.Repeat("x", 900)}})
	}
	for bytes, want := range map[int]int{0: 0, 900: 0, 1000: 1, 10_000: 10, 1 << 20: 100} {
		some, more := fit(list, bytes)
		if len(some) != want || len(some)+more != len(list) {
			t.Errorf("fit(100, %d) = %d and %d more, want %d", bytes, len(some), more, want)
		}
	}
}

// FuzzCheck reads what backends write.
func FuzzCheck(f *testing.F) {
	f.Add("join", "g-1", "ann", "task:1")
	f.Fuzz(func(t *testing.T, verb, conn, user, room string) {
		ask := wire.CtlAsk{Connection: conn, User: user, Room: room}
		if check(wire.CtlVerb(verb), ask) == "" && conn == "" && user == "" && room == "" {
			t.Error("an ask that means nobody, and so everybody, is taken")
		}
	})
}
