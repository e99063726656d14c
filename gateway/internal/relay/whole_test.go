package relay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
)

// fill stores one event a letter: each names its room.
func (b *bus) fill(t *testing.T, rooms string) {
	t.Helper()
	for _, r := range rooms {
		b.put(t, &nats.Msg{Subject: fmt.Sprintf("hub.event.task.%c", r), Data: []byte("1")})
	}
}

// TestARoomIsWholeOnlyWhereItIsProven: what is stored is told as a text, a
// letter an event from sequence 1 on. A room holds three events.
func TestARoomIsWholeOnlyWhereItIsProven(t *testing.T) {
	cases := map[string]struct {
		stored string
		key    string
		since  uint64 // the first sequence that is needed
		want   bool
	}{
		"a room that was never written":                  {"bbb", "task.a", 1, true},
		"a room that was never written, later":           {"bbb", "task.a", 3, true},
		"a room whose first event is needed":             {"abb", "task.a", 1, true},
		"a room whose first event comes later":           {"bba", "task.a", 1, true},
		"a room whose first event came before":           {"ab", "task.a", 2, true},
		"a full room from its oldest on":                 {"baaa", "task.a", 2, true},
		"a full room from before its oldest":             {"baaa", "task.a", 1, false}, // four may have been there
		"a room that lost its first, from there":         {"aaaa", "task.a", 1, false},
		"a room that lost its first, from its oldest":    {"aaaa", "task.a", 2, true},
		"a room that lost its first, from its newest":    {"aaaa", "task.a", 4, true},
		"a room that lost its first, from after it":      {"aaaa", "task.a", 5, true},
		"another room beside one that lost":              {"baaaa", "task.b", 1, true},
		"a room that begins where the log does":          {"aaaab", "task.b", 2, true},
		"a room without events, from the log's begin":    {"aaaa", "task.b", 2, true},
		"a room without events, from before it":          {"aaaa", "task.b", 1, false}, // its event may have been the log's first
		"a room with an event, from before the log":      {"aaaab", "task.b", 1, false},
		"an event in the middle of the log that is gone": {"baabaaa", "task.b", 2, true},
		"a key that is no room's":                        {"a", "task.=61", 1, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := mesh(t, store.Config{EventMaxPerRoom: 3})
			b.fill(t, c.stored)
			got, err := b.whole(b.nc, c.key, c.since)
			if err != nil || got != c.want {
				t.Errorf("stored %s: whole(%s, %d) = %v, %v; want %v", c.stored, c.key, c.since, got, err, c.want)
			}
		})
	}
}

// TestARoomIsNotWholeFromBeforeTheLogsSizeBegins has the oldest events go for
// the size of the whole log.
func TestARoomIsNotWholeFromBeforeTheLogsSizeBegins(t *testing.T) {
	b := mesh(t, store.Config{EventMaxBytes: 4 << 10})
	for range 10 {
		b.put(t, &nats.Msg{Subject: "hub.event.task.b", Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)})
	}
	st, err := b.reader.State(t.Context())
	if err != nil || st.First < 2 {
		t.Fatalf("the log begins at %d, %v; want that events are gone", st.First, err)
	}
	for _, key := range []string{"task.a", "task.b"} {
		for since, want := range map[uint64]bool{1: false, st.First - 1: false, st.First: true, st.Last + 1: true} {
			if got, err := b.whole(b.nc, key, since); err != nil || got != want {
				t.Errorf("whole(%s, %d) = %v, %v; want %v", key, since, got, err, want)
			}
		}
	}
}

func TestWhatIsNotKnownIsNotWhole(t *testing.T) {
	s := natstest.Server(t)
	setup(t, natstest.Conn(t, s), store.Config{})
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	b := newBus(t, nc, nil)
	b.member("m", "task.1")
	if whole := b.wholeRooms(1); !whole["task.1"] {
		t.Errorf("whole rooms %v, want task.1", whole)
	}
	away := nc.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	if whole, err := b.whole(b.nc, "task.1", 1); whole || err == nil {
		t.Errorf("without NATS: %v, %v; want an error", whole, err)
	}
	if whole := b.wholeRooms(1); len(whole) != 0 {
		t.Errorf("without NATS %v are whole", whole)
	}
}

func awaitRestart(t *testing.T, m *room.Member) {
	t.Helper()
	await(t, m.ID+" is dismissed", func() bool { e, ended := m.Outbox.End(); return ended && e == frame.Restart })
}

// TestOnlyWhoMayHaveMissedSomethingIsDismissed cuts a gateway off while one
// room's events are evicted: its member is sent away, who is in another room
// hears all of it and goes on.
func TestOnlyWhoMayHaveMissedSomethingIsDismissed(t *testing.T) {
	s := natstest.Server(t)
	backend := natstest.Conn(t, s)
	setup(t, backend, store.Config{EventMaxPerRoom: 3})
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	b := newBus(t, nc, nil)
	lost, both, whole := b.member("lost", "task.a"), b.member("both", "task.a", "task.b"), b.member("whole", "task.b")
	other := newBus(t, backend, nil) // a gateway that is not cut off
	there := other.member("there", "task.a")
	other.fill(t, "ab")
	wantHeard(t, lost, `task:a message "1" binary=false from="" @1`)
	wantHeard(t, whole, `task:b message "1" binary=false from="" @2`)

	away := nc.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	other.fill(t, "abaaaab")
	w.Mend()
	want := []string{`task:b message "1" binary=false from="" @4`, `task:b message "1" binary=false from="" @9`}
	wantHeard(t, whole, want...)
	for _, m := range []*room.Member{lost, both} {
		awaitRestart(t, m)
	}
	for _, line := range hear(t, lost, 10) {
		if !strings.HasPrefix(line, " server:shutdown ") && !strings.HasPrefix(line, "task:a ") {
			t.Errorf("heard %s", line)
		}
	}
	if _, ended := whole.Outbox.End(); ended {
		t.Error("a member of a whole room was dismissed")
	}
	hear(t, there, 6)
	if _, ended := there.Outbox.End(); ended {
		t.Error("a member of a gateway that heard all was dismissed")
	}
	other.fill(t, "b")
	wantHeard(t, whole, `task:b message "1" binary=false from="" @10`)
	late := b.member("late", "task.a")
	other.fill(t, "a")
	wantHeard(t, late, `task:a message "1" binary=false from="" @11`)
}

// TestAGatewayFarBehindSendsAllAway does not read back what would take long.
func TestAGatewayFarBehindSendsAllAway(t *testing.T) {
	s := natstest.Server(t)
	backend := natstest.Conn(t, s)
	setup(t, backend, store.Config{})
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	b := newBus(t, nc, func(c *Config) { c.Follow = follow.Config{MostBehind: 5, Silence: c.Follow.Silence} })
	m := b.member("m", "task.1")
	away := nc.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	other := newBus(t, backend, nil)
	other.fill(t, "abcdef")
	w.Mend()
	awaitRestart(t, m)
	if heard := hear(t, m, 2); len(heard) != 1 || !strings.HasPrefix(heard[0], " server:shutdown ") {
		t.Errorf("heard %q, want server:shutdown", heard)
	}
	late := b.member("late", "task.g")
	other.fill(t, "g")
	wantHeard(t, late, `task:g message "1" binary=false from="" @7`)
}
