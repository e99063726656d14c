package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// takesLong skips a test that measures, but where it is asked for.
func takesLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("measures: run with -long on an idle machine")
	}
}

// spread is the median and the 99th of 100 of durations.
func spread(all []time.Duration) (p50, p99 time.Duration) {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2], all[len(all)*99/100]
}

// fill stores count small events in rooms task:0 to task:rooms-1 in turn, each
// time so many.
func (h *house) fill(rooms, count, burst int) {
	h.t.Helper()
	js, err := jetstream.New(h.nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		h.t.Fatal(err)
	}
	for n := range count {
		r := subject.Room{Type: "task", ID: fmt.Sprint(n / burst % rooms)}
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: subject.Tree{}.Event(r), Data: []byte(`{"id":"x"}`)}, jetstream.WithStallWait(30*time.Second)); err != nil {
			h.t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		h.t.Fatal("not stored in a minute")
	}
}

// figure is what all gateways in this process count under a name without
// labels.
func figure(t testing.TB, reg *prometheus.Registry, name string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			n += f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return n
}

// knows waits until gateways in this process know, together, the rooms of so
// many offsets of the log.
func (h *house) knows(offsets float64) {
	h.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(5 * time.Minute); figure(h.t, h.registry, "hubmesh_gateway_trail_offsets") < offsets; {
		select {
		case <-tick.C:
		case <-late:
			h.t.Fatalf("gateways do not know the rooms of %v offsets", offsets)
		}
	}
}

// sinceTakes measures how long it takes from asking for a room with since until
// the last of missed events was heard, on a gateway whose memory holds nothing.
func (h *house) sinceTakes(g *gateway.Server, missed, rooms int) (all []time.Duration) {
	h.t.Helper()
	c := dial(h.t, g, "ann")
	epoch := h.log().Epoch
	for n := range rooms {
		room := fmt.Sprintf("task:%d", n*7)
		offsets := h.between(room, 0, h.log().Last)
		since := hub.Position{Epoch: epoch, Offset: offsets[len(offsets)-1-missed]}
		begun := time.Now()
		answered(h.t, enter(h.t, c, hub.Room{Room: room, Since: &since}), missed)
		heardExactly(h.t, c, room, offsets[len(offsets)-missed:])
		all = append(all, time.Since(begun))
		if err := c.Unsubscribe(h.t.Context(), room); err != nil {
			h.t.Fatal(err)
		}
	}
	return all
}

func TestSinceIsAnsweredSoonHoweverMuchIsStored(t *testing.T) {
	takesLong(t)
	// The log finds a room's next event by passing over those between, so it
	// matters how far apart they are, and whether the gateway knows where.
	const rooms, stored = 10_000, 1_010_000
	empty, bursts, turns := open(t, config(t)), open(t, config(t)), open(t, config(t))
	empty.fill(700, 700*101, 101)
	bursts.fill(rooms, stored, 101)
	turns.fill(rooms, stored, 1)
	base, _ := spread(empty.sinceTakes(empty.newborn(), 100, 100))
	t.Logf("since of 100 missed of 70,700 events: p50 %v", base)
	for how, h := range map[string]*house{"in bursts": bursts, "in turn": turns} {
		g, begun := h.newborn(), time.Now()
		first, _ := spread(h.sinceTakes(g, 100, 10))
		h.knows(2 * stored) // it, and the gateway that was there before
		took := time.Since(begun)
		p50, p99 := spread(h.sinceTakes(g, 100, 100))
		t.Logf("of 1,010,000 in 10,000 rooms, stored %s: p50 %v, p99 %v, ratio %.2f; %v in the first moment, all known after %v",
			how, p50, p99, float64(p50)/float64(base), first, took)
		if p50 > 20*time.Millisecond {
			t.Errorf("stored %s: the median is %v, want 20 ms at most", how, p50)
		}
	}
}
