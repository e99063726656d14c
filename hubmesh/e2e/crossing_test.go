package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// outside is config on a cluster of three processes. The mesh is on the first.
func outside(t testing.TB) (mesh.Config, *natstest.Processes) {
	t.Helper()
	nodes := natstest.ClusterOfProcesses(t, 3)
	cfg := config(t)
	cfg.Gateways = 2
	cfg.NATS.URL, cfg.NATS.Options = nodes.URL(0), []nats.Option{nats.DontRandomize()}
	cfg.Store.Replicas = 3
	return cfg, nodes
}

// crossing is events that one client publishes, each when it is due, and others
// hear. Safe for concurrent use.
type crossing struct {
	*house
	room  string
	count int
	rate  int // a second
	from  *hub.Client
	slots chan struct{} // as many as a client may have under way
	began time.Time
	took  time.Duration

	mu    sync.Mutex // guards the fields below
	due   []time.Time
	asked map[int64]int // number by ask
	acks  []time.Duration
	hears []time.Duration
	at    map[int]uint64 // offsets that were acked, by number
}

// cross has a client on one gateway publish, and returns when all is acked, and
// heard by members on that gateway and on the other, by each in the same order.
// halfway is called when half of it is under way.
func (h *house) cross(room string, count, rate int, halfway func()) *crossing {
	h.t.Helper()
	const window = 60 // of 64
	all := h.mesh.Gateways()
	c := &crossing{
		house: h, room: room, count: count, rate: rate, from: dial(h.t, all[0], "ann"), slots: make(chan struct{}, window),
		due: make([]time.Time, count), asked: map[int64]int{}, at: map[int]uint64{},
	}
	members := make([]*hub.Client, 3)
	heard := make([][]uint64, len(members))
	var wg sync.WaitGroup
	for i := range members {
		members[i] = dial(h.t, all[(i+1)%2], fmt.Sprintf("bob%d", i))
		enter(h.t, members[i], hub.Room{Room: room})
	}
	for i, m := range members {
		wg.Go(func() { heard[i] = c.hear(m, i == 0) })
	}
	wg.Go(c.publish)
	wg.Go(func() {
		for n := range c.acked() {
			if n == count/2 && halfway != nil {
				halfway()
			}
		}
	})
	wg.Wait()
	c.took = time.Since(c.began)
	want := h.between(room, 0, h.log().Last)
	for i, got := range heard {
		if !slices.Equal(got, want) {
			h.t.Errorf("member %d heard %d events, want each of the %d that are stored, in order%s", i, len(got), len(want), firstDifference(got, want))
		}
	}
	return c
}

// publish asks for one event after the other when it is due, and waits while
// too many are under way; what that costs, pace tells.
func (c *crossing) publish() {
	tick := time.NewTicker(time.Second / time.Duration(c.rate))
	defer tick.Stop()
	c.began = time.Now()
	for n := range c.count {
		due := <-tick.C
		c.mu.Lock()
		c.due[n] = due
		c.mu.Unlock()
		c.slots <- struct{}{}
		c.ask(n)
	}
}

// pace is how many events a second were published, heard and acked.
func (c *crossing) pace() int { return int(float64(c.count) / c.took.Seconds()) }

func (c *crossing) ask(n int) {
	c.mu.Lock() // so that its ack does not come before it is noted
	defer c.mu.Unlock()
	id, err := c.from.Tell("publish", map[string]any{
		"room": c.room, "event": "e", "durable": true, "key": strconv.Itoa(n), "data": map[string]string{"id": strconv.Itoa(n)},
	})
	if err != nil {
		c.t.Errorf("publish %d: %v", n, err)
	}
	c.asked[id] = n
}

// again is how long a client waits after unavailable.
const again = 20 * time.Millisecond

// acked takes acks until all have come, asks again what was unavailable, and
// yields how many have come.
func (c *crossing) acked() func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for n := 0; n < c.count; {
			e, ok := <-c.from.Events()
			if !ok {
				c.t.Errorf("the publisher's connection ended after %d acks: %v", n, c.from.Err())
				return
			}
			if e.Ack != nil && c.take(*e.Ack) {
				n++
				yield(n)
			}
		}
	}
}

// take notes an ack, and reports whether its event is stored.
func (c *crossing) take(a hub.Ack) (stored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.asked[a.ID]
	delete(c.asked, a.ID)
	var refused *hub.Error
	if errors.As(a.Err, &refused) && refused.Code == wire.Unavailable {
		time.AfterFunc(again, func() { c.ask(n) })
		return false
	}
	var got struct{ Offset uint64 }
	if err := errors.Join(a.Err, json.Unmarshal(a.Data, &got)); err != nil {
		c.t.Errorf("publish %d: %v", n, err)
	}
	c.acks, c.at[n] = append(c.acks, time.Since(c.due[n])), got.Offset
	<-c.slots
	return true
}

// hear hears all events, and fails unless each comes once and where its ack
// says, if that has come.
func (c *crossing) hear(to *hub.Client, measured bool) (offsets []uint64) {
	for range c.count {
		e, ok := <-to.Events()
		if !ok {
			c.t.Errorf("a member's connection ended after %d events: %v", len(offsets), to.Err())
			return offsets
		}
		now := time.Now()
		n, err := strconv.Atoi(idOf(e.Data))
		if err != nil || e.Offset == 0 {
			c.t.Errorf("heard %s", e.Raw)
			return offsets
		}
		offsets = append(offsets, e.Offset)
		c.mu.Lock()
		if at := c.at[n]; at != 0 && at != e.Offset {
			c.t.Errorf("event %d is heard at %d and was acked at %d", n, e.Offset, at)
		}
		if measured {
			c.hears = append(c.hears, now.Sub(c.due[n]))
		}
		c.mu.Unlock()
	}
	return offsets
}

// beside publishes to the log what a backend would, one after the other, until
// ctx ends, and returns how long each took. It is as stubborn as can be: it
// tries again when there is no answer in 100 ms.
func (h *house) beside(ctx context.Context, js jetstream.JetStream) (all []time.Duration) {
	for n := 0; ctx.Err() == nil; n++ {
		m := nats.NewMsg("hub.event.task.beside")
		m.Data = []byte(`{}`)
		m.Header.Set(nats.MsgIdHdr, fmt.Sprint("beside ", n))
		begun := time.Now()
		for err := errors.New("not tried"); err != nil && ctx.Err() == nil; {
			once, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			_, err = js.PublishMsg(once, m, jetstream.WithRetryAttempts(0))
			cancel()
		}
		all = append(all, time.Since(begun))
	}
	return all
}

func TestDurableEventsCrossAClusterSoon(t *testing.T) {
	takesLong(t)
	cfg, _ := outside(t)
	h := open(t, cfg)
	for _, rate := range []int{100, 1000} {
		c := h.cross(fmt.Sprintf("task:at-%d", rate), 10*rate, rate, nil)
		h50, h99 := spread(c.hears)
		a50, a99 := spread(c.acks)
		t.Logf("R3 on three processes, one client, %d events at %d a second of %d: heard elsewhere p50 %v, p99 %v; acked p50 %v, p99 %v",
			c.count, c.pace(), rate, h50, h99, a50, a99)
	}
}

// TestNothingAckedIsLostWhenTheLogsLeaderIsKilled kills it with SIGKILL, half
// way.
func TestNothingAckedIsLostWhenTheLogsLeaderIsKilled(t *testing.T) {
	stories := map[string]int{"a node of others": 2}
	count, rate := 600, 200
	if *long {
		stories["the gateways' own node"] = 0
		count, rate = 20_000, 1000
	}
	for name, leader := range stories {
		t.Run(name, func(t *testing.T) {
			cfg, nodes := outside(t)
			h := open(t, cfg)
			nodes.Lead(stream, leader)
			js, err := jetstream.New(h.nc)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			plain := make(chan []time.Duration, 1)
			go func() { plain <- h.beside(ctx, js) }()
			c := h.cross("task:42", count, rate, func() { nodes.Kill(leader) })
			stop()
			h50, h99 := spread(c.hears)
			a50, a99 := spread(c.acks)
			t.Logf(`
%d events at %d a second, R3 on three processes, the leader killed half way
  heard elsewhere   p50 %v, p99 %v, at most %v
  acked             p50 %v, p99 %v, at most %v
  a plain publisher to the same stream, beside   at most %v`,
				count, rate, h50, h99, slices.Max(c.hears), a50, a99, slices.Max(c.acks), slices.Max(<-plain))
		})
	}
}
