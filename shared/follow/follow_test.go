package follow_test

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestEventsAreHeardFromTheEndOnWhileOthersAskForThePosition(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	before := put(t, js, "1", "before")
	n := newNotebook(t)
	f := serve(t, natstest.Conn(t, s), events(), n)
	if _, w := f.Position(); w != before {
		t.Fatalf("W = %d at the begin, want %d", w, before)
	}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for w := uint64(0); w < 101; _, w = f.Position() {
				_ = f.Stats()
				if last, err := f.Last(t.Context()); err != nil || last == 0 {
					t.Errorf("Last = %d, %v", last, err)
				}
			}
		})
	}
	for i := range 100 {
		put(t, js, fmt.Sprint(i%7), fmt.Sprint(i))
	}
	n.untilW(101)
	asking.Wait()
	n.see(func() {
		if e := n.entries[50]; e.Subject != "hub.event.task.6" || string(e.Data) != "48" || time.Since(e.Time) > time.Minute {
			t.Errorf("entry 50 is %+v", e)
		}
	})
	if got := f.Stats(); got.Heard != 100 || got.Lag != 0 || got.Foreign != 0 {
		t.Errorf("counted %+v, want 100 heard and no lag", got)
	}
}

func TestWhatASlowFollowerDropsIsReadBack(t *testing.T) {
	for name, cfg := range map[string]follow.Config{
		"a tiny channel":              {Channel: 4},
		"little room above a hole":    {Channel: 64, Pending: 4},
		"tiny pages":                  {Channel: 16, Page: 3},
		"nothing between two fillers": {Channel: 1, Pending: 1, Page: 1},
	} {
		t.Run(name, func(t *testing.T) {
			const most = 500
			s, nc := natstest.Mesh(t)
			js := stream(t, nc)
			cfg.Stream, cfg.Heard = events().Stream, events().Heard
			n := newNotebook(t)
			some := make(chan struct{})
			n.slow = func(e follow.Entry) {
				if e.Seq%100 == 1 {
					<-some // most of the next hundred come while nobody listens
				}
			}
			f := serve(t, natstest.Conn(t, s), cfg, n)
			for i := range most {
				put(t, js, fmt.Sprint(i%5), fmt.Sprint(i))
				if i%100 == 99 {
					some <- struct{}{}
				}
			}
			n.untilW(most)
			n.see(func() {
				for seq := uint64(1); seq <= most; seq++ {
					if got := string(n.entries[seq].Data); got != fmt.Sprint(seq-1) {
						t.Errorf("entry %d is %q", seq, got)
					}
				}
			})
			if got := f.Stats(); got.Dropped == 0 || got.Filled == 0 || got.Heard+got.Filled != most {
				t.Errorf("counted %+v, want some dropped, and heard and filled to be %d", got, most)
			}
		})
	}
}

func TestASilentTailIsNoticedWithinTwoSeconds(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	n := newNotebook(t)
	serve(t, natstest.Conn(t, s), events(), n)
	put(t, js, "1", "heard")
	n.untilW(1)
	edit(t, js, "HUB_EVENTS", func(c *jetstream.StreamConfig) { c.RePublish = nil })
	best := time.Hour // of some tries: a machine with more to do is late by itself
	for w := uint64(2); best > 2*time.Second && w < 10; w++ {
		put(t, js, "1", "unheard")
		begin := time.Now()
		n.untilW(w)
		best = min(best, time.Since(begin))
	}
	if best > 2*time.Second {
		t.Errorf("a lost tail was read back after %v, want 2s at most", best)
	}
}

func TestACutFollowerReadsBackWhatItMissed(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	w := natstest.NewWire(t, s)
	n := newNotebook(t)
	var pages atomic.Int64
	n.page = func() { pages.Add(1) }
	follower := w.Conn(t)
	f := serve(t, follower, events(), n)
	sent := uint64(0)
	for range 3 {
		away := follower.StatusChanged(nats.RECONNECTING)
		w.Cut()
		<-away
		for range 700 {
			sent = put(t, js, fmt.Sprint(sent%5), "x")
		}
		w.Mend()
		n.untilW(sent)
	}
	if got := f.Stats(); got.Gone != 0 || got.Resets != 0 || got.Filled < 1000 || pages.Load() < 4 {
		t.Errorf("counted %+v and %d pages, want most of 2100 filled, in pages", got, pages.Load())
	}
}

func TestWhatWasEvictedMeanwhileIsToldAsGone(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	setup(t, nc, store.Config{EventMaxPerRoom: 10})
	js := stream(t, nc)
	w := natstest.NewWire(t, s)
	n := newNotebook(t)
	follower := w.Conn(t)
	f := serve(t, follower, events(), n)
	away := follower.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	for i := range 100 {
		put(t, js, fmt.Sprint(i%2), "x")
	}
	w.Mend()
	n.untilW(100)
	if n.gone != 80 || len(n.entries) != 20 || f.Stats().Gone != 80 {
		t.Errorf("%d gone and %d entries, want 80 and 20", n.gone, len(n.entries))
	}
}

func TestAFollowerThatIsTooFarBehindGoesOnAtTheEnd(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	w := natstest.NewWire(t, s)
	n := newNotebook(t)
	follower := w.Conn(t)
	cfg := events()
	cfg.MostBehind = 50
	f := serve(t, follower, cfg, n)
	before, _ := f.Position()
	away := follower.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	for range 100 {
		put(t, js, "1", "x")
	}
	w.Mend()
	n.untilReset(follow.Behind)
	put(t, js, "1", "x")
	n.untilW(101)
	if epoch, _ := f.Position(); epoch != before || len(n.entries) != 1 {
		t.Errorf("epoch %q with %d entries, want still %q and 1", epoch, len(n.entries), before)
	}
}

func TestAnotherLogUnderTheSameNameIsNoticed(t *testing.T) {
	anew := func(t *testing.T, nc *nats.Conn) {
		if err := stream(t, nc).DeleteStream(t.Context(), "HUB_EVENTS"); err != nil {
			t.Fatal(err)
		}
		setup(t, nc, store.Config{})
	}
	for name, story := range map[string]struct {
		change func(*testing.T, *nats.Conn)
		w      uint64 // after it and one more event
	}{
		"the stream is made anew": {anew, 1},
		"it is made anew and has more than before": {func(t *testing.T, nc *nats.Conn) {
			anew(t, nc)
			for range 20 {
				put(t, stream(t, nc), "1", "new")
			}
		}, 21},
		"it is given a new epoch": {func(t *testing.T, nc *nats.Conn) {
			if err := store.NewEpoch(t.Context(), nc, subject.Tree{}); err != nil {
				t.Fatal(err)
			}
		}, 6},
		"it is made to keep more": {func(t *testing.T, nc *nats.Conn) { setup(t, nc, store.Config{EventMaxPerRoom: 2000}) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			s, nc := natstest.Mesh(t)
			n := newNotebook(t)
			cfg := events()
			cfg.Silence = 100 * time.Millisecond
			f := serve(t, natstest.Conn(t, s), cfg, n)
			before, _ := f.Position()
			for range 5 {
				put(t, stream(t, nc), "1", "old")
			}
			n.untilW(5)
			story.change(t, nc)
			n.untilReset(follow.Anew)
			put(t, stream(t, nc), "1", "newest")
			n.until("the newest", func() bool { return string(n.entries[story.w].Data) == "newest" })
			if epoch, _ := f.Position(); epoch == before || len(n.resets) != 1 {
				t.Errorf("epoch %q after resets %v, want another than %q after one", epoch, n.resets, before)
			}
		})
	}
}

func TestABusyFollowerNoticesANewEpochToo(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	n := newNotebook(t)
	cfg := events()
	cfg.Silence, cfg.Check = time.Hour, 50*time.Millisecond
	serve(t, natstest.Conn(t, s), cfg, n)
	put(t, js, "1", "x")
	n.untilW(1)
	if err := store.NewEpoch(t.Context(), nc, subject.Tree{}); err != nil {
		t.Fatal(err)
	}
	n.untilReset(follow.Anew)
}

// replaceable is a server that becomes another while clients are cut off.
type replaceable struct{ *server.Server }

func TestALogWhoseEndWasLostIsTold(t *testing.T) {
	dir := t.TempDir()
	boot := func(from string) *server.Server {
		return natstest.Server(t, func(o *server.Options) { o.StoreDir = from })
	}
	halt := func(s *server.Server) { s.Shutdown(); s.WaitForShutdown() }
	now := &replaceable{boot(dir)}
	w := natstest.NewWire(t, now)
	nc := w.Conn(t)
	setup(t, nc, store.Config{})
	js := stream(t, nc)
	for range 10 {
		put(t, js, "1", "kept")
	}
	replace := func(from string) {
		back := nc.StatusChanged(nats.CONNECTED)
		w.Cut()
		halt(now.Server)
		now.Server = boot(from)
		w.Mend()
		<-back
	}
	halt(now.Server)
	saved := clone(t, dir)
	replace(dir)

	n := newNotebook(t)
	f := serve(t, nc, events(), n)
	for range 10 {
		put(t, js, "1", "lost")
	}
	n.untilW(20)
	replace(saved)
	n.untilReset(follow.Fell)
	put(t, js, "1", "new")
	n.untilW(11)
	if _, w := f.Position(); w != 11 || string(n.entries[11].Data) != "new" {
		t.Errorf("W is %d and entry 11 %q, want 11 and the new one", w, n.entries[11].Data)
	}
}

func TestForgedHeadersAreNotBelieved(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	heard, read := newNotebook(t), newNotebook(t)
	f := serve(t, natstest.Conn(t, s), events(), heard)
	forged := nats.Header{
		"Nats-Sequence": {"77"}, "Nats-Stream": {"HUB_EVENTS"}, "Nats-Subject": {"hub.event.task.forged"},
		"Nats-Time-Stamp": {"2001-01-01T00:00:00Z"}, "Nats-Last-Sequence": {"76"}, "Nats-Num-Pending": {"0"},
		"Status": {"503"}, "Description": {"EOB"},
	}
	for range 3 {
		putMsg(t, js, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("honest"), Header: maps.Clone(forged)})
	}
	natstest.Raw(t, s, "hub.event.task.1", "NATS/1.0\r\nNats-Sequence: 6\r\nNats-Stream: HUB_EVENTS\r\nNats-Subject: hub.event.task.forged\r\n"+
		"Nats-Time-Stamp: 2101-01-01T00:00:00Z\r\nNats-Last-Sequence: 3\r\n\r\nA: b\r\n\r\n", "honest")
	natstest.Raw(t, s, "hub.event.task.1", "NATS/1.0\r\nno header\r\n\r\n", "honest")
	natstest.Raw(t, s, "hub.event.task.1", "NATS/1.0 503\r\n\r\n", "honest")
	put(t, js, "1", "honest")
	heard.untilW(7)
	cfg := events()
	cfg.FromStart = true
	serve(t, natstest.Conn(t, s), cfg, read)
	for _, n := range []*notebook{heard, read} {
		n.see(func() {
			for seq := uint64(1); seq <= 7; seq++ {
				if e := n.entries[seq]; e.Subject != "hub.event.task.1" || string(e.Data) != "honest" || time.Since(e.Time).Abs() > time.Minute {
					t.Errorf("entry %d is %+v", seq, e)
				}
			}
		})
	}
	if got := f.Stats(); got.Resets != 0 || got.Gone != 0 {
		t.Errorf("counted %+v, want nothing lost", got)
	}
}
