package ratelimit_test

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// drain asks for one user's tokens from many goroutines over several connections until each
// was refused, and returns how much was granted.
func drain(t *testing.T, conns []*nats.Conn, each int) (granted int) {
	t.Helper()
	const key = "user.messages/ann"
	var (
		wg sync.WaitGroup
		mu sync.Mutex // guards granted
	)
	for i := range each * len(conns) {
		wg.Go(func() {
			for n := 0; ; n++ {
				ask := wire.TakeAsk{Key: key, Cost: 1 + n%2, Want: (i + n) % 5}
				got, err := take(t.Context(), conns[i%len(conns)], ask)
				if err != nil {
					t.Errorf("take: %v", err)
					return
				}
				if got.Granted == 0 && ask.Cost == 1 {
					return
				}
				if got.Granted != 0 && (got.Granted < ask.Cost || got.Granted > ask.Cost+ask.Want) {
					t.Errorf("take %+v = %+v", ask, got)
				}
				mu.Lock()
				granted += got.Granted
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return granted
}

func TestReplicasTogetherGrantNoMoreThanTheLimit(t *testing.T) {
	s, nc := natstest.Mesh(t)
	now, kit := newClock(), quiet()
	conns := []*nats.Conn{nc}
	for range 3 {
		own := natstest.Conn(t, s)
		start(t, own, ratelimit.Config{Now: now.Now}, kit)
		conns = append(conns, natstest.Conn(t, s))
	}
	if got := drain(t, conns, 8); got != 600 {
		t.Errorf("at one moment %d were granted, want 600", got)
	}
	now.add(10 * time.Second)
	if got := drain(t, conns, 8); got != 100 {
		t.Errorf("ten seconds later %d were granted, want 100", got)
	}
	t.Logf("%v writes were raced", races(t, kit))
}

// In a cluster a direct get may be answered by a node that is behind.
func TestReplicasAtThreeNodesGrantNoMoreThanTheLimit(t *testing.T) {
	nodes := natstest.Cluster(t, 3)
	now := newClock()
	cfg := ratelimit.Config{Now: now.Now, Store: store.Config{Replicas: 3}}
	if err := store.Setup(t.Context(), nodes.Conn(0), subject.Tree{}, cfg.Store, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var conns []*nats.Conn
	for i := range 3 {
		start(t, nodes.Conn(i), cfg, quiet())
		conns = append(conns, nodes.Conn(i))
	}
	if got := drain(t, conns, 4); got != 600 {
		t.Errorf("at one moment %d were granted, want 600", got)
	}
}

func TestClocksApartGrantByTheirDifferenceMoreOrLess(t *testing.T) {
	s, nc := natstest.Mesh(t)
	exact, ahead := newClock(), newClock()
	ahead.add(time.Second)
	start(t, natstest.Conn(t, s), ratelimit.Config{Now: exact.Now}, quiet())
	start(t, natstest.Conn(t, s), ratelimit.Config{Now: ahead.Now}, quiet())
	// To the exact one, a full bucket of the one ahead lacks a second's tokens.
	if got := drain(t, []*nats.Conn{nc}, 8); got < 590 || got > 610 {
		t.Errorf("with clocks a second apart %d were granted, want 590 to 610", got)
	}
}

// BenchmarkTake is askers at as many users' buckets, and all at one.
func BenchmarkTake(b *testing.B) {
	for name, users := range map[string]int{"each their own": 64, "all at one": 1} {
		b.Run(name, func(b *testing.B) {
			s, nc := natstest.Mesh(b)
			start(b, natstest.Conn(b, s), ratelimit.Config{UserMessages: limit.Limit{Count: 1 << 30, Period: time.Hour, Burst: 1 << 30}}, quiet())
			var askers atomic.Int64
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				key := "user.messages/u" + strconv.Itoa(int(askers.Add(1))%users)
				for pb.Next() {
					if got, err := take(b.Context(), nc, wire.TakeAsk{Key: key, Cost: 1}); err != nil || got.Granted != 1 {
						b.Errorf("take = %+v, %v", got, err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "takes/s")
		})
	}
}
