package relay

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
)

// TestEventsThatDoNotTellTheirPlaceAreCounted: their publishers wrote headers
// of the server's names, and made sure that the true ones behind are not read.
func TestEventsThatDoNotTellTheirPlaceAreCounted(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	setup(t, nc, store.Config{})
	b := newBus(t, nc, nil)
	b.fill(t, "ab")
	early := "NATS/1.0\r\nNats-Stream: HUB_EVENTS\r\nNats-Sequence: 99\r\nNats-Num-Pending: 99\r\n\r\n" + strings.Repeat("A: b\r\n", 20) + "\r\n"
	natstest.Raw(t, s, "hub.event.task.a", early, "1")
	natstest.Raw(t, s, "hub.event.task.a", "NATS/1.0 503\r\n\r\n", "")
	b.put(t, &nats.Msg{Subject: "hub.event.task.a", Header: nats.Header{"Nats-Sequence": {"99"}, "Nats-Num-Pending": {"99"}}, Data: []byte("1")})
	b.fill(t, "b")
	natstest.Raw(t, s, "hub.event.task.a", early, "1")
	b.fill(t, "b") // what was sent raw is stored when this is acked
	for after, want := range map[uint64]struct {
		n     int
		first uint64
	}{0: {5, 1}, 1: {4, 3}, 2: {4, 3}, 3: {3, 4}, 4: {2, 5}, 5: {1, 7}, 7: {0, 0}} {
		n, first, err := b.remaining(t.Context(), "hub.event.task.a", after)
		if err != nil || n != want.n || first != want.first {
			t.Errorf("after %d: %d from %d on, %v; want %d from %d on", after, n, first, err, want.n, want.first)
		}
	}
}
