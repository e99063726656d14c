package e2e

import (
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// rules is an authz of a story's own, as anybody may write one: what it allows
// is a list, each change of which is written into HUB_RELATIONS too, so that
// gateways hear of it.
type rules struct {
	t  testing.TB
	kv jetstream.KeyValue

	mu     sync.Mutex // guards what is below
	may    map[string]bool
	at     uint64 // sequence of the bucket
	past   map[uint64]wire.Touched
	asked  map[string]int                    // by endpoint
	before func(wire.JoinAsk) (after func()) // nil: answers come at once
}

// opened is a mesh whose authz is the story's, with rules that allow what is
// named: "ann task:1".
func opened(t *testing.T, cfg mesh.Config, follows bool, may ...string) (*house, *rules) {
	t.Helper()
	cfg.Without = []string{"authz"}
	h := open(t, cfg)
	kv, err := h.js.KeyValue(t.Context(), "HUB_RELATIONS")
	if err != nil {
		t.Fatal(err)
	}
	r := &rules{t: t, kv: kv, may: map[string]bool{}, past: map[uint64]wire.Touched{}, asked: map[string]int{}}
	for _, m := range may {
		r.may[m] = true
	}
	answering(h, r, "connect", func(q wire.ConnectAsk) wire.ConnectAnswer {
		claims := map[string]json.RawMessage{"iat": json.RawMessage("1000"), "jti": json.RawMessage(`"of-` + q.Token + `"`)}
		return wire.ConnectAnswer{Allow: true, User: q.Token, Claims: claims}
	})
	answering(h, r, "join", r.join)
	if follows {
		answering(h, r, "joins", func(q wire.JoinsAsk) (a wire.JoinsAnswer) {
			for _, one := range q.Asks {
				a.Answers = append(a.Answers, r.join(one))
			}
			return a
		})
		answering(h, r, "touched", r.touched)
	}
	return h, r
}

// answering answers an endpoint of authz, and counts what it is asked.
func answering[In, Out any](h *house, r *rules, endpoint string, answer func(In) Out) {
	h.answers(h.t, "hub.svc.authz."+endpoint, func(m *nats.Msg) {
		r.mu.Lock()
		r.asked[endpoint]++
		r.mu.Unlock()
		go func() { // one that takes its time delays no other
			var q In
			err := json.Unmarshal(m.Data, &q)
			if err == nil {
				var body []byte
				if body, err = json.Marshal(answer(q)); err == nil {
					err = m.Respond(body)
				}
			}
			if err != nil && h.nc.IsConnected() {
				h.t.Errorf("answer %s: %v", endpoint, err)
			}
		}()
	})
}

func (r *rules) join(q wire.JoinAsk) wire.JoinAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := wire.JoinAnswer{Rooms: map[string]wire.RoomRights{}}
	for _, room := range q.Rooms {
		if r.may[q.User+" "+room] {
			a.Rooms[room] = wire.RoomRights{Allow: true, Can: []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.History}}
		}
	}
	if before := r.before; before != nil {
		r.mu.Unlock()
		before(q)()
		r.mu.Lock()
	}
	return a
}

func (r *rules) touched(q wire.TouchedAsk) (a wire.TouchedAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.At = wire.Marks{Policy: q.UpTo.Policy, Relations: max(r.at, q.UpTo.Relations)}
	for seq, t := range r.past {
		if seq > q.After.Relations && seq <= q.UpTo.Relations {
			a.Touched = append(a.Touched, t)
		}
	}
	return a
}

// change allows ann task:1 or forbids it, and returns when that was.
func (r *rules) change(allow bool) time.Time {
	const room = "task:1"
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.may["ann "+room] = allow
	seq, err := r.kv.Put(r.t.Context(), "changed.ann", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.at = seq
	r.past[seq] = wire.Touched{Users: []string{"ann"}, Rooms: []string{room}}
	return time.Now()
}

// count is how often an endpoint was asked.
func (r *rules) count(endpoint string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[endpoint]
}

// dialled connects a user whose token is the name.
func dialled(t testing.TB, g *gateway.Server, user string) *hub.Client {
	t.Helper()
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: user, Unread: 1 << 16})
	if err != nil {
		t.Fatalf("dial %s: %v", user, err)
	}
	t.Cleanup(func() { _ = c.Cut() })
	return c
}

// putOut is what a client hears of a room until it is told to have left it:
// the offsets of its events. It fails when that is not told.
func putOut(t testing.TB, c *hub.Client, room string) (heard []uint64) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e, ok := <-c.Events():
			switch {
			case !ok:
				t.Fatalf("the connection ended: %v", c.Err())
			case e.Event == "room:left":
				var left struct{ Room, Reason string }
				if err := json.Unmarshal(e.Data, &left); err != nil || left.Room != room || left.Reason == "" || e.Room != "" {
					t.Fatalf("heard %s, want room:left of %s with a reason", e.Raw, room)
				}
				return heard
			case e.Room == room && e.Offset > 0:
				heard = append(heard, e.Offset)
			}
		case <-late.C:
			t.Fatalf("not put out of %s", room)
		}
	}
}

// silent fails when a client has heard anything of a room up to now.
func silent(t testing.TB, c *hub.Client, room string) {
	t.Helper()
	if _, err := c.Heartbeat(t.Context()); err != nil { // whatever was queued before is here
		t.Fatal(err)
	}
	for {
		select {
		case e := <-c.Events():
			if e.Room == room {
				t.Fatalf("heard %s after it was put out", e.Raw)
			}
		default:
			return
		}
	}
}

// traffic publishes to rooms, durable and not, until stop is called, which
// returns the offsets stored in each.
func (h *house) traffic(rooms ...string) (stop func() map[string][]uint64) {
	h.t.Helper()
	offsets := map[string][]uint64{}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			default:
			}
			room := rooms[n%len(rooms)]
			offsets[room] = append(offsets[room], h.event(room, n))
			r, _ := subject.ParseRoom(room)
			if err := h.nc.Publish(subject.Tree{}.Live(r), []byte("1")); err != nil {
				h.t.Error(err)
			}
		}
	})
	var once sync.Once
	stop = func() map[string][]uint64 {
		once.Do(func() { close(end); wg.Wait() })
		return maps.Clone(offsets)
	}
	h.t.Cleanup(func() { stop() })
	return stop
}
