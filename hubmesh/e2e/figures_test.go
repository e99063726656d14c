package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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

// sinceTakes measures how long it takes from asking for a room with since until
// the last of missed events was heard, on a gateway whose memory holds nothing.
func (h *house) sinceTakes(missed, rooms int) (all []time.Duration) {
	h.t.Helper()
	c := dial(h.t, h.newborn(), "ann")
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
	// matters how far apart they are.
	empty, bursts, turns := open(t, config(t)), open(t, config(t)), open(t, config(t))
	empty.fill(700, 700*101, 101)
	bursts.fill(10_000, 1_010_000, 101)
	turns.fill(10_000, 1_010_000, 1)
	base, _ := spread(empty.sinceTakes(100, 100))
	p50, p99 := spread(bursts.sinceTakes(100, 100))
	apart, _ := spread(turns.sinceTakes(100, 100))
	t.Logf("since of 100 missed of 70,700 events: p50 %v; of 1,010,000 in 10,000 rooms: p50 %v, p99 %v, ratio %.2f; stored in turn, each 10,000 apart: p50 %v",
		base, p50, p99, float64(p50)/float64(base), apart)
	if p50 > 20*time.Millisecond {
		t.Errorf("the median is %v, want 20 ms at most", p50)
	}
}
