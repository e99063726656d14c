package rights

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natstest"
)

// patience bounds everything that a test waits for.
const patience = 30 * time.Second

func TestTheGateIsOpenAsLongAsRightsAreKnown(t *testing.T) {
	now := time.Unix(1000, 0)
	g := NewGate(natstest.Conn(t, natstest.Server(t)))
	g.now = func() time.Time { return now }
	want := func(what string, open bool) {
		t.Helper()
		if g.Open() != open {
			t.Errorf("%s: Open() = %v, want %v", what, g.Open(), open)
		}
	}
	want("before anything is known", false)
	g.prove(0, now.Add(15*time.Second))
	want("proven", true)
	first := g.begin(now.Add(time.Second))
	second := g.begin(now.Add(2 * time.Second))
	want("a change is being worked out", true)
	now = now.Add(time.Second)
	want("for longer than it may take", false)
	g.end(first)
	want("the next has time left", true)
	now = now.Add(time.Second)
	want("and then has not", false)
	g.end(second)
	want("worked out", true)
	now = now.Add(13 * time.Second)
	want("not proven for long", false)
	g.prove(0, now.Add(time.Second))
	want("proven again", true)
}

func TestTheGateIsShutFromAReconnectUntilProof(t *testing.T) {
	wire := natstest.NewWire(t, natstest.Server(t))
	nc := wire.Conn(t)
	g := NewGate(nc)
	g.prove(nc.Stats().Reconnects, time.Now().Add(time.Hour))
	back := nc.StatusChanged(nats.CONNECTED)
	wire.Cut()
	wire.Mend()
	select {
	case <-back:
	case <-time.After(patience):
		t.Fatal("not back")
	}
	if g.Open() {
		t.Error("open after a reconnect")
	}
	waited := make(chan struct{})
	go func() { g.Wait(); close(waited) }()
	g.prove(nc.Stats().Reconnects, time.Now().Add(time.Hour))
	select {
	case <-waited:
	case <-time.After(patience):
		t.Error("Wait goes on after the proof")
	}
}

func TestWhatWaitsForTheGateIsDoneWhenItOpens(t *testing.T) {
	g := NewGate(natstest.Conn(t, natstest.Server(t)))
	var done []string
	g.WhenOpen(func() { done = append(done, "first") })
	g.prove(0, time.Now().Add(time.Hour))
	g.WhenOpen(func() { done = append(done, "at once") })
	c := g.begin(time.Now().Add(-time.Second))
	g.WhenOpen(func() { done = append(done, "last") })
	done = append(done, "then")
	g.end(c)
	if got := strings.Join(done, ", "); got != "first, at once, then, last" {
		t.Errorf("done: %s", got)
	}
}

func TestWhoWaitsForTheGateGoesOnWhenItEnds(t *testing.T) {
	g := NewGate(natstest.Conn(t, natstest.Server(t)))
	waited := make(chan struct{})
	go func() { g.Wait(); close(waited) }()
	g.finish()
	select {
	case <-waited:
	case <-time.After(patience):
		t.Error("Wait goes on after the end")
	}
}

// BenchmarkWait is what each event pays.
func BenchmarkWait(b *testing.B) {
	g := NewGate(natstest.Conn(b, natstest.Server(b)))
	g.prove(0, time.Now().Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		g.Wait()
	}
}
