package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// sinces is what a client says it has heard, by what that means, and how many
// events it missed; below zero: nothing can be recovered.
type sinces map[string]struct {
	since  hub.Position
	missed int
}

// judged comes back to the room from each position, on each gateway, and fails
// unless it is answered so, hears the last events that it missed, and then goes
// on live.
func (h *house) judged(t *testing.T, room string, gateways map[string]*gateway.Server, stories sinces, stored []uint64) {
	t.Helper()
	for where, g := range gateways {
		for name, s := range stories {
			t.Run(where+", "+name, func(t *testing.T) {
				c := dial(t, g, "ann")
				answered(t, enter(t, c, hub.Room{Room: room, Since: &s.since}), s.missed)
				heardExactly(t, c, room, stored[len(stored)-max(0, s.missed):])
				m := nats.NewMsg(subject.Tree{}.Live(subject.User("ann"))) // a signal, for a stored event would change the log
				m.Data = []byte(`1`)
				if err := h.nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
				if e := <-c.Events(); e.Room != "user:ann" {
					t.Errorf("heard %s although nothing more was missed", e.Raw)
				}
			})
		}
	}
}

func TestRecoveryIsToldOnlyWhereTheRoomStillHoldsEverything(t *testing.T) {
	cfg := config(t)
	cfg.Store.EventMaxPerRoom = 10
	h := open(t, cfg)
	old := h.mesh.Gateways()[0]
	small := h.events("task:small", 3)
	var full []uint64
	for range 25 {
		h.event("task:other", 0)
		full = append(full, h.event("task:full", 0))
	}
	exactly := h.events("task:exactly", 10)
	h.follows(old)
	both := map[string]*gateway.Server{"from memory": old, "from the log": h.newborn()}
	st := h.log()
	at := func(offset uint64) hub.Position { return hub.Position{Epoch: st.Epoch, Offset: offset} }
	h.judged(t, "task:full", both, sinces{
		"at the end":                          {at(full[24]), 0},
		"in the middle":                       {at(full[19]), 5},
		"right before the oldest kept":        {at(full[15] - 1), 10},
		"one before that":                     {at(full[15] - 2), -1},
		"at the newest that was evicted":      {at(full[14]), -1},
		"at the beginning of all":             {at(0), -1},
		"at the end of the log":               {at(st.Last), 0},
		"behind the end of the log":           {at(st.Last + 1), -1},
		"far behind the end of the log":       {at(1 << 60), -1},
		"at the end of another epoch":         {hub.Position{Epoch: "x", Offset: full[24]}, -1},
		"in an epoch that only begins alike":  {hub.Position{Epoch: st.Epoch + "x", Offset: full[24]}, -1},
		"at an offset of another room's":      {at(full[20] - 1), 5},
		"between the last and the one before": {at(full[24] - 1), 1},
	}, full)
	h.judged(t, "task:small", both, sinces{
		"of a room that was never full, from the beginning": {at(0), 3},
		"of a room that was never full, from its first":     {at(small[0]), 2},
	}, small)
	h.judged(t, "task:exactly", both, sinces{
		"of a room that is exactly full, right before its first": {at(exactly[0] - 1), 10},
		"of a room that is exactly full, long before its first":  {at(exactly[0] - 2), -1},
	}, exactly)
	h.judged(t, "task:empty", both, sinces{"of an empty room": {at(0), 0}}, nil)
}

// evicted waits until the log begins at or after an offset.
func (h *house) evicted(first uint64) uint64 {
	h.t.Helper()
	begins := func() uint64 { return h.log().First }
	until(h.t, patience, begins, func(now uint64) bool { return now >= first })
	return begins()
}

func TestWhatIsTooOldIsNotRecovered(t *testing.T) {
	cfg := config(t)
	cfg.Store.EventMaxAge = time.Second
	h := open(t, cfg)
	old := h.mesh.Gateways()[0]
	room := h.events("task:42", 3)
	h.evicted(room[2] + 1)
	epoch := h.log().Epoch
	h.judged(t, "task:42", map[string]*gateway.Server{"from memory": old, "from the log": h.newborn()}, sinces{
		"of the last that is gone":   {hub.Position{Epoch: epoch, Offset: room[2]}, 0},
		"of the one before the last": {hub.Position{Epoch: epoch, Offset: room[1]}, -1},
		"of the beginning":           {hub.Position{Epoch: epoch, Offset: 0}, -1},
	}, nil)
}

func TestWhatTheWholeLogHadNoPlaceForIsNotRecovered(t *testing.T) {
	cfg := config(t)
	cfg.Store.EventMaxBytes = 64 << 10
	h := open(t, cfg)
	room := h.events("task:42", 2)
	last := uint64(0)
	for n := 0; h.log().First <= room[0]; n++ {
		last = h.event("task:other", n)
	}
	kept := h.event("task:42", 2)
	first := h.log().First
	if first <= room[0] || first > kept {
		t.Fatalf("the log begins at %d, want it between %d and %d", first, room[0], last)
	}
	epoch := h.log().Epoch
	h.judged(t, "task:42", map[string]*gateway.Server{"from the log": h.newborn()}, sinces{
		"at the last that is gone":  {hub.Position{Epoch: epoch, Offset: first - 1}, 1 + inRange(room, first)},
		"at the one before":         {hub.Position{Epoch: epoch, Offset: first - 2}, -1},
		"at the beginning":          {hub.Position{Epoch: epoch, Offset: 0}, -1},
		"at the newest of the room": {hub.Position{Epoch: epoch, Offset: kept}, 0},
	}, append(room, kept))
}

// inRange counts offsets from first on.
func inRange(offsets []uint64, first uint64) (n int) {
	for _, o := range offsets {
		if o >= first {
			n++
		}
	}
	return n
}

func TestALogMadeAnewEndsConnectionsAndRecoversNothing(t *testing.T) {
	cfg := config(t)
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	c := dial(t, g, "ann")
	was := enter(t, c, hub.Room{Room: "task:42"})
	heardExactly(t, c, "task:42", h.events("task:42", 5))
	h.anew(cfg.Store)
	for e := range c.Events() {
		if e.Event != "server:shutdown" {
			t.Errorf("heard %s, want nothing but server:shutdown", e.Raw)
		}
	}
	if closed := (*hub.Closed)(nil); !errors.As(c.Err(), &closed) || closed.Code != 1012 {
		t.Fatalf("the connection ended with %v, want 1012", c.Err())
	}
	stored := h.events("task:42", 7)
	for where, g := range map[string]*gateway.Server{"there": g, "elsewhere": h.newborn()} {
		t.Run(where, func(t *testing.T) {
			h.follows(g)
			c := dial(t, g, "ann")
			in := enter(t, c, hub.Room{Room: "task:42", Since: &hub.Position{Epoch: was.Epoch, Offset: 3}})
			answered(t, in, -1)
			if in.Epoch == was.Epoch || in.Offset < stored[6] {
				t.Errorf("entered at %s:%d, want another epoch than %s, behind %d", in.Epoch, in.Offset, was.Epoch, stored[6])
			}
			h.nothingMore(c, "task:42")
		})
	}
}

func TestMoreThatIsKeptIsANewEpoch(t *testing.T) {
	cfg := config(t)
	cfg.Store.EventMaxPerRoom = 5
	h := open(t, cfg)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	was := enter(t, c, hub.Room{Room: "task:42"})
	heard := h.events("task:42", 20)
	heardExactly(t, c, "task:42", heard)
	cfg.Store.EventMaxPerRoom = 50
	h.setup(cfg.Store)
	if err := c.Err(); err == nil {
		t.Fatal("the connection ended by itself")
	}
	back := dial(t, h.mesh.Gateways()[0], "ann")
	// The room holds 5 of 50 and the log begins at 1: it looks as if nothing
	// were missing.
	answered(t, enter(t, back, hub.Room{Room: "task:42", Since: &hub.Position{Epoch: was.Epoch, Offset: heard[2]}}), -1)
}

// mute has the log's copies reach nobody, so that gateways stay behind.
func (h *house) mute(cfg store.Config) (unmute func()) {
	h.t.Helper()
	s, err := h.js.Stream(h.t.Context(), subject.Tree{}.Stream(subject.Events))
	if err != nil {
		h.t.Fatal(err)
	}
	quiet := s.CachedInfo().Config
	quiet.RePublish = nil
	if _, err := h.js.UpdateStream(h.t.Context(), quiet); err != nil {
		h.t.Fatal(err)
	}
	return func() { h.setup(cfg) }
}

func TestAGatewayBehindItsClientRepeatsNothing(t *testing.T) {
	cfg := config(t)
	cfg.Gateway.Follow.Silence, cfg.Gateway.Follow.Check = time.Hour, time.Hour // it learns from copies alone
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	h.events("task:42", 3)
	h.follows(g)
	unmute := h.mute(cfg.Store)
	hidden := h.events("task:42", 10) // the gateway does not know of them
	clients := map[string]*hub.Client{}
	for name, since := range map[string]int{"one who has heard most": 7, "one who has heard all": 9} {
		c := dial(t, g, "ann")
		in := enter(t, c, hub.Room{Room: "task:42", Since: h.at(hidden[since])})
		answered(t, in, 9-since)
		if in.Offset < hidden[since] {
			t.Errorf("%s was told the position %d, below its own %d", name, in.Offset, hidden[since])
		}
		again := enter(t, c, hub.Room{Room: "task:42"}) // must not make it hear anew what it said it has
		if again.Offset > hidden[9] {
			t.Errorf("%s was told the position %d, above the log's end %d", name, again.Offset, hidden[9])
		}
		clients[fmt.Sprint(since)] = c
	}
	unmute()
	live := h.event("task:42", 11)
	heardExactly(t, clients["7"], "task:42", []uint64{hidden[8], hidden[9], live})
	heardExactly(t, clients["9"], "task:42", []uint64{live})
}
