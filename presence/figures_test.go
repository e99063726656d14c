//go:build unix

package presence_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// crowd is connections of users of their own, each in one of 100 rooms.
func crowd(gateway string, n int) (stands []wire.PresenceStand) {
	for i := range n {
		stands = append(stands, wire.PresenceStand{
			Connection: fmt.Sprintf("%s-%d", gateway, i), User: fmt.Sprintf("%s-user-%d", gateway, i), Turn: 1, First: true,
			Door: "native", IP: "192.0.2.1", Since: 1700000000000,
			Info: []byte(fmt.Sprintf(`{"name":"User %d"}`, i)),
		})
	}
	return stands
}

// batch is how many connections a busy gateway reports at once.
const batch = 200

// reportAll reports in batches, as many at once as workers.
func reportAll(t testing.TB, g *house, stands []wire.PresenceStand, workers int) {
	t.Helper()
	todo := make(chan []wire.PresenceStand)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for some := range todo {
				if _, err := g.report(t.Context(), some...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for len(stands) > 0 {
		some := stands[:min(batch, len(stands))]
		stands = stands[len(some):]
		todo <- some
	}
	close(todo)
	working.Wait()
}

// BenchmarkJoins is members who enter a room, reported by a gateway, stored,
// told and heard, through one replica; the NATS server, the gateway and the
// replica share the machine.
func BenchmarkJoins(b *testing.B) {
	s, nc := natstest.Mesh(b)
	startQuietly(b, natstest.Conn(b, s))
	g := open(b, nc, "g1", 13*time.Second)
	told := hear(b, nc)
	const members = 20_000
	stands := crowd("g1", members)
	reportAll(b, g, stands, 8)
	words := members
	used := cpu(b)
	for b.Loop() {
		for i := range stands {
			stands[i].Turn++
			stands[i].First = false
			stands[i].Rooms = nil
			if stands[i].Turn%2 == 0 {
				stands[i].Rooms = []string{fmt.Sprintf("task:%d", i%100)}
			}
		}
		reportAll(b, g, stands, 16)
		words += members
		told.until("all to be told", func(w []wire.PresenceTold) bool { return len(w) >= words })
	}
	b.ReportMetric(float64(members*b.N)/b.Elapsed().Seconds(), "joins/s")
	b.ReportMetric(float64((cpu(b)-used).Microseconds())/float64(members*b.N), "cpu-µs/join")
}

// cpu is what this process has used: on a machine that is shared it tells more
// than the clock.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startQuietly runs a replica that logs nothing.
func startQuietly(t testing.TB, nc *nats.Conn) (end func()) {
	t.Helper()
	server, err := presence.Listen(t.Context(), presence.Config{}, nc, obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ctx) }) // ends with ctx
	end = func() { cancel(); serving.Wait() }
	t.Cleanup(end)
	return end
}

// BenchmarkLoad is a replica that begins where many members are on disk. Its
// figure for memory is that of a whole replica.
func BenchmarkLoad(b *testing.B) {
	for _, members := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			s, nc := natstest.Mesh(b)
			fill(b, nc, members)
			for b.Loop() {
				before := heapInUse()
				begun, used := time.Now(), cpu(b)
				end := startQuietly(b, natstest.Conn(b, s))
				b.ReportMetric(time.Since(begun).Seconds(), "s/load")
				b.ReportMetric((cpu(b) - used).Seconds(), "cpu-s/load")
				b.ReportMetric(float64(heapInUse()-before)/float64(members), "B/member")
				end()
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill stores members, and what was told of them, as replicas do.
func fill(b *testing.B, nc *nats.Conn, members int) {
	b.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	tree := subject.Tree{}
	put := func(subj, format string, values ...any) {
		for {
			if _, err := js.PublishAsync(subj, fmt.Appendf(nil, format, values...)); err == nil {
				return
			}
		}
	}
	const face = `"status":"online","connections":1,"change":"join","info":{"name":"User %d"},"epoch":"e","log":1}`
	for i := range members {
		room, user := subject.Room{Type: "task", ID: fmt.Sprint(i % 1000)}, fmt.Sprintf("user-%d", i)
		put(tree.Key(subject.Here, fmt.Sprintf("%s.g1.g1-%d", user, i)),
			`{"turn":2,"door":"native","ip":"192.0.2.1","since":1700000000000,"info":{"name":"User %d"},"rooms":[%q]}`, i, room)
		put(tree.Tell(subject.Room{}, user), `{"user":%q,`+face, user, i)
		put(tree.Tell(room, user), `{"room":%q,"user":%q,`+face, room, user, i)
	}
	<-js.PublishAsyncComplete()
}

// Each comes back on another gateway as soon as it has left, so that a slow
// machine does not make the storm longer than the grace.
func TestAStormThatIsBackWithinTheGraceIsNotTold(t *testing.T) {
	t.Parallel()
	members := 500
	if *long {
		members = 10_000
	}
	s, nc := natstest.Mesh(t)
	startQuietly(t, natstest.Conn(t, s))
	g1, g2 := open(t, nc, "g1", 13*time.Second), open(t, nc, "g2", 13*time.Second)
	told := hear(t, nc)
	stands := crowd("g1", members)
	for i := range stands {
		stands[i].Rooms = []string{"task:42"}
	}
	reportAll(t, g1, stands, 4)
	told.until("all joins", func(words []wire.PresenceTold) bool { return len(words) >= 2*members })
	back := crowd("g2", members)
	for i := range stands {
		stands[i].Turn, stands[i].First = 2, false
		stands[i].End = &wire.PresenceEnd{At: time.Now().UnixMilli(), Grace: true}
		back[i].User, back[i].Rooms = stands[i].User, []string{"task:42"}
	}
	begun := time.Now()
	for from := 0; from < members; from += batch {
		to := min(from+batch, members)
		reportAll(t, g1, stands[from:to], 1)
		reportAll(t, g2, back[from:to], 1)
	}
	t.Logf("%d have left and come back in %v", members, time.Since(begun))
	// When all keys of the first gateway are gone, whoever left would have been
	// told of; one who ends without grace is told of after them.
	eventually(t, "the first connections to be gone", func() int {
		return roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42"}).Counts.Connections
	}, func(n int) bool { return n == members })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first keys to end", func() uint64 {
		st, err := js.Stream(t.Context(), subject.Tree{}.BucketStream(subject.Here))
		if err != nil {
			t.Fatal(err)
		}
		info, err := st.Info(t.Context(), jetstream.WithSubjectFilter(subject.Tree{}.Key(subject.Here, "*.g1.*")))
		if err != nil {
			t.Fatal(err)
		}
		return info.State.LastSeq
	}, func(last uint64) bool { return last >= 5*uint64(members) }) // each begun, ended, let, gone; and begun again
	g2.connect("zoe", "task:43")
	told.until("zoe", func(words []wire.PresenceTold) bool {
		return words[len(words)-1].User == "zoe" && words[len(words)-1].Room != ""
	})
	if n := len(told.all()); n != 2*members+2 {
		t.Errorf("told were %d words, want %d: the joins, and zoe's", n, 2*members+2)
	}
}
