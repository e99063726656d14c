package rights

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// house is a Watch over a real NATS, and what it has told its members.
type house struct {
	*Watch
	t       *testing.T
	backend *nats.Conn
	js      jetstream.JetStream

	changes chan Change
	revoked chan string
}

// Touched takes note of a change.
func (h *house) Touched(c Change, done func()) {
	h.changes <- c
	done()
}

// Revoked takes note of a key.
func (h *house) Revoked(key string) { h.revoked <- key }

// newHouse returns one that has listened. Serve runs it.
func newHouse(t *testing.T, cfg Config) *house {
	t.Helper()
	s, backend := natstest.Mesh(t)
	nc := natstest.Conn(t, s)
	asker, err := natsconn.NewAsker(nc)
	if err != nil {
		t.Fatal(err)
	}
	m, log := meter.New(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)
	h := &house{t: t, backend: backend, changes: make(chan Change, 64), revoked: make(chan string, 64)}
	h.Watch = New(cfg, nc, ask.New(ask.Config{DecideWait: 200 * time.Millisecond}, asker, subject.Tree{}, m, log), subject.Tree{}, m, log)
	if h.js, err = jetstream.New(backend); err != nil {
		t.Fatal(err)
	}
	if err := h.Listen(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := life.Run(ctx, asker, h.Watch); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return h
}

// answers has an endpoint of authz answered, each question beside the others.
func answers[In, Out any](h *house, endpoint string, answer func(In) Out) {
	h.t.Helper()
	sub, err := h.backend.Subscribe("hub.svc.authz."+endpoint, func(m *nats.Msg) {
		go func() {
			var q In
			if err := json.Unmarshal(m.Data, &q); err != nil {
				h.t.Error(err)
			}
			if body, err := json.Marshal(answer(q)); err == nil {
				_ = m.Respond(body)
			}
		}()
	})
	if err == nil {
		err = h.backend.FlushTimeout(patience)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// put writes a key, and returns its sequence.
func (h *house) put(bucket, key, value string) uint64 {
	h.t.Helper()
	kv, err := h.js.KeyValue(h.t.Context(), bucket)
	if err != nil {
		h.t.Fatal(err)
	}
	seq, err := kv.PutString(h.t.Context(), key, value)
	if err != nil {
		h.t.Fatal(err)
	}
	return seq
}

// await waits for the next of a channel.
func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("in %v did not come: %s", patience, what)
	}
	return v
}

// concerning waits for a change that concerns a user in task:1; others, such as
// those of nobody, pass by.
func (h *house) concerning(user string) Change {
	h.t.Helper()
	for {
		if c := await(h.t, "a change for "+user, h.changes); c.Concerns(user, room("task:1")) {
			return c
		}
	}
}

// allowed is an answer that allows a user all rooms.
func allowed(q wire.JoinAsk) wire.JoinAnswer {
	a := wire.JoinAnswer{Rooms: map[string]wire.RoomRights{}}
	for _, r := range q.Rooms {
		a.Rooms[r] = wire.RoomRights{Allow: true, Can: []wire.Right{wire.Subscribe}}
	}
	return a
}
