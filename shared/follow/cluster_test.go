package follow_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
)

var long = flag.Bool("long", false, "200,000 messages through the cluster instead of 20,000")

// stubborn publishes m until it is stored. What is lost with a leader is
// asked again soon, not after the client's 5 s.
func stubborn(ctx context.Context, js jetstream.JetStream, m *nats.Msg) error {
	for begin := time.Now(); ; {
		once, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		_, err := js.PublishMsg(once, m)
		cancel()
		if err == nil || ctx.Err() != nil || time.Since(begin) > time.Minute {
			return err
		}
	}
}

// storm publishes n events, each stored once however often it must be sent,
// and calls at(i) from one goroutine about when the i-th of every hundredth
// part is on its way.
func storm(t *testing.T, nc *nats.Conn, n int, at func(part int)) {
	t.Helper()
	js := stream(t, nc)
	parts := make(chan int, 100)
	var sent atomic.Int64
	var publishers, chaos sync.WaitGroup
	chaos.Go(func() {
		for part := range parts {
			at(part)
		}
	})
	for range 16 {
		publishers.Go(func() {
			for i := int(sent.Add(1)) - 1; i < n; i = int(sent.Add(1)) - 1 {
				if i%(n/100) == 0 {
					parts <- i / (n / 100)
				}
				m := &nats.Msg{
					Subject: fmt.Sprintf("hub.event.task.%d", i%250),
					Data:    fmt.Append(nil, i),
					Header:  nats.Header{"Nats-Msg-Id": {fmt.Sprint(i)}},
				}
				if err := stubborn(t.Context(), js, m); err != nil {
					t.Errorf("publish %d: %v", i, err)
				}
			}
		})
	}
	publishers.Wait()
	close(parts)
	chaos.Wait()
}

func TestNothingIsMissingDoubledOrOutOfOrderWhileLeadersChangeAndNodesStop(t *testing.T) {
	total := 20_000
	if *long {
		total = 200_000
	}
	nodes := natstest.Cluster(t, 3)
	nc := nodes.Conn(0)
	setup(t, nc, store.Config{Replicas: 3, EventMaxPerRoom: total})
	followers := map[string]*notebook{}
	served := map[string]*follow.Follower{}
	join := func(name string, nc *nats.Conn, cfg follow.Config) {
		followers[name] = newNotebook(t)
		served[name] = serve(t, nc, cfg, followers[name])
	}
	slow, start := events(), events()
	slow.Channel, start.FromStart = 64, true
	wire := natstest.NewWire(t, nodes.Server(0))
	for i := range 3 {
		join(fmt.Sprintf("on node %d", i), nodes.Conn(i), events())
	}
	join("slow", nodes.Conn(1), slow)
	join("cut", wire.Conn(t), events())

	stopped := -1
	storm(t, nodes.Conn(0), total, func(part int) {
		switch {
		case part == 40:
			// Not node 0: the wire leads there.
			if stopped = nodes.Leader("HUB_EVENTS"); stopped <= 0 {
				stopped = 1
			}
			nodes.Stop(stopped)
		case part == 60:
			nodes.Start(stopped)
		case part%20 == 10:
			wire.Cut()
		case part%20 == 12:
			wire.Mend()
		case part%7 == 0:
			nodes.StepDown("HUB_EVENTS")
		}
	})
	join("late", nodes.Conn(2), start)

	reader := follow.NewReader(nc, events())
	last, err := served["late"].Last(t.Context())
	must(t, err)
	kept := map[uint64]string{}
	bodies := map[string]bool{}
	for after := uint64(0); after < last; {
		page, err := reader.Read(t.Context(), epoch(t, reader), "", after, last)
		must(t, err)
		for _, e := range page {
			kept[e.Seq], bodies[string(e.Data)], after = string(e.Data), true, e.Seq
		}
	}
	if len(kept) != total || len(bodies) != total {
		t.Fatalf("the stream keeps %d events, %d different, want %d", len(kept), len(bodies), total)
	}
	for name, n := range followers {
		n.untilW(last)
		n.see(func() {
			if len(n.entries) != total || n.gone != 0 || len(n.resets) != 0 {
				t.Errorf("%s: %d entries, %d gone, resets %v; want %d, 0 and none", name, len(n.entries), n.gone, n.resets, total)
			}
			for seq, body := range kept {
				if got := string(n.entries[seq].Data); got != body {
					t.Errorf("%s: entry %d is %q, want %q", name, seq, got, body)
				}
			}
		})
		t.Logf("%s: %+v", name, served[name].Stats())
	}
}
