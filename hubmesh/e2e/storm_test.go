package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// replayed is how many entries all gateways in this process have read from the
// log for those who came back.
func replayed(t testing.TB, reg *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "hubmesh_gateway_repaired_total" && m.GetLabel()[0].GetValue() == "replayed" {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// TestAStormOfReturnsReadsEachRoomOnce has many clients come back at once to a
// gateway that remembers nothing.
func TestAStormOfReturnsReadsEachRoomOnce(t *testing.T) {
	h := open(t, config(t))
	clients, rooms, missed := 500, 100, 20
	if *long {
		clients = 4000 // both ends are in this process, of 20,000 descriptors
	}
	at := h.at(h.log().Last)
	want := make([][]uint64, rooms)
	for n := range missed * rooms {
		want[n%rooms] = append(want[n%rooms], h.event(fmt.Sprintf("task:%d", n%rooms), n))
	}
	g := h.newborn()
	read := replayed(t, h.registry)
	calm, calmP99 := spread(h.liveTraffic(g, 300, nil))
	back := make(chan time.Duration, 1)
	go func() { back <- storm(t, g, clients, want, at) }()
	during, duringP99 := spread(h.liveTraffic(g, 0, back))
	took := <-back
	t.Logf("%d clients of %d rooms are back with %d events each in %v; live traffic p50/p99 %v/%v before, %v/%v during",
		clients, rooms, missed, took, calm, calmP99, during, duringP99)
	if n := replayed(t, h.registry) - read; n > float64(missed*rooms) {
		t.Errorf("%v entries were read for %d that were missed: a room was read twice", n, missed*rooms)
	}
	if took > 10*time.Second {
		t.Errorf("it took %v, want 10 s at most", took)
	}
}

// storm has clients come back to their rooms all at once, and returns how long
// it takes until all have heard what they missed.
func storm(t *testing.T, g place, clients int, want [][]uint64, at *hub.Position) time.Duration {
	turn := make(chan int, clients)
	for i := range clients {
		turn <- i
	}
	close(turn)
	begun := time.Now()
	var wg sync.WaitGroup
	for range 200 { // what a listener lets wait is bounded
		wg.Go(func() {
			for i := range turn {
				n := i % len(want)
				comesBack(t, g, i, fmt.Sprintf("task:%d", n), at, want[n])
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// liveTraffic measures how long events take to a member that has nothing to do
// with a storm: count of them, or for as long as over holds nothing.
func (h *house) liveTraffic(g *gateway.Server, count int, over chan time.Duration) (all []time.Duration) {
	h.t.Helper()
	c := dial(h.t, g, "calm")
	enter(h.t, c, hub.Room{Room: "task:live"})
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < count || over != nil && len(over) == 0 || len(all) == 0; n++ {
		<-tick.C
		begun := time.Now()
		heardExactly(h.t, c, "task:live", h.events("task:live", 1))
		all = append(all, time.Since(begun))
	}
	return all
}

func comesBack(t *testing.T, g place, i int, room string, at *hub.Position, want []uint64) {
	c, err := hub.Dial(context.WithoutCancel(t.Context()), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, fmt.Sprintf("user%d", i)), Unread: 1})
	if err != nil {
		t.Error(err)
		return
	}
	in, err := c.Subscribe(t.Context(), hub.Room{Room: room, Since: at})
	if err != nil || len(in.Rooms) != 1 || !*in.Rooms[0].Recovered {
		t.Errorf("client %d: %+v, %v", i, in, err)
		return
	}
	var got []uint64
	for range want {
		got = append(got, (<-c.Events()).Offset)
	}
	if !slices.Equal(got, want) {
		t.Errorf("client %d heard %v, want %v", i, got, want)
	}
	t.Cleanup(func() { _ = c.Cut() })
}
