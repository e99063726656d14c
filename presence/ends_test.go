package presence_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// lives reads all of HUB_CLIENTS: what is recorded of each connection, in its
// order: "start", "again", "end".
func lives(t testing.TB, nc *nats.Conn) map[string][]string {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), subject.Tree{}.Stream(subject.Clients))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for seq := range s.CachedInfo().State.LastSeq {
		m, err := s.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		var c wire.ClientRecord
		if err := json.Unmarshal(m.Data, &c); err != nil {
			t.Fatal(err)
		}
		what := "start"
		switch {
		case m.Subject == subject.Tree{}.Client(subject.Disconnected):
			what = "end"
		case c.Again:
			what = "again"
		}
		all[c.Connection] = append(all[c.Connection], what)
	}
	return all
}

// expectLife waits until this is recorded of a connection, and fails at once
// when it is anything that does not begin so.
func expectLife(t testing.TB, nc *nats.Conn, conn string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the life of %s to be %q", conn, want), func() []string { return lives(t, nc)[conn] }, func(got []string) bool {
		if !slices.Equal(got, want[:min(len(got), len(want))]) {
			t.Fatalf("of %s %q is recorded, want %q", conn, got, want)
		}
		return len(got) == len(want)
	})
}

func TestOneThatIsReportedWhenItHasEndedBeginsBeforeItEnds(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	var stands []wire.PresenceStand
	for i := range 100 {
		stands = append(stands, wire.PresenceStand{
			Connection: fmt.Sprintf("g1-%d", i), User: fmt.Sprintf("user-%d", i), Turn: 3, First: true,
			Again: i%2 == 0, // the lease was lost meanwhile, too
			End:   &wire.PresenceEnd{At: time.Now().UnixMilli(), Reason: "closed", Grace: true},
		})
	}
	if _, err := g.report(t.Context(), stands...); err != nil {
		t.Fatal(err)
	}
	for _, one := range stands {
		expectLife(t, nc, one.Connection, "start", "end")
	}
}

func TestOneThatWasSweptAndIsHeldNonethelessEndsOnceMore(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	start := func() { startWith(t, natstest.Conn(t, s), presence.Config{Proof: time.Second}) }
	start()
	start()
	g := open(t, nc, "g1", time.Second)
	held, gone, unaware := g.connect("ann"), g.connect("bob"), g.connect("eve")
	g.kill() // its lease ends, as when NATS cannot be reached from it
	expectLife(t, nc, held, "start", "end")
	expectLife(t, nc, gone, "start", "end")
	expectLife(t, nc, unaware, "start", "end")
	again := open(t, nc, "g1", 13*time.Second)
	again.stands = g.stands
	again.change(held, func(s *wire.PresenceStand) { s.Again = true })
	again.change(held, func(s *wire.PresenceStand) { s.Again = false })
	// Bob had gone before the gateway could say that it held him.
	again.change(gone, func(s *wire.PresenceStand) {
		s.Again, s.End = true, &wire.PresenceEnd{At: time.Now().UnixMilli(), Reason: "closed", Grace: true}
	})
	again.end(held)
	// And one whose gateway reports what it had to before it learns of its lease.
	again.change(unaware, func(s *wire.PresenceStand) { s.Rooms = []string{"task:42"} })
	again.end(unaware)
	expectLife(t, nc, unaware, "start", "end", "again", "end")
	expectLife(t, nc, held, "start", "end", "again", "end")
	expectLife(t, nc, gone, "start", "end")
}
