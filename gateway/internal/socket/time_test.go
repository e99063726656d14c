package socket

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// meet opens a connection over a pipe and serves it.
func (h house) meet(t *testing.T) *peer {
	near, far := net.Pipe()
	go h.open(t, echo{}, far, nil).serve()
	return &peer{near, bufio.NewReader(near)}
}

// tells has connections told the time until the function it returns is called.
func (h house) tells(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

func TestASilentClientIsPingedAndThenGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		defer h.tells(t)()
		p := h.meet(t)
		begin := time.Now()
		want := func(frame string, after time.Duration) {
			t.Helper()
			if got := p.next(); got != frame {
				t.Fatalf("heard %q after %v, want %q", got, time.Since(begin), frame)
			}
			if took := time.Since(begin); took < after || took > after+tick {
				t.Errorf("%s came after %v, want %v and at most a tick more", frame, took, after)
			}
		}
		beat := h.cfg.Heartbeat
		want("ping ", beat)
		want("close 4408 no heartbeat", 2*beat)
		want("end", 2*beat+h.cfg.LastWords)
		h.Kill()
	})
}

func TestAnyFrameIsASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		defer h.tells(t)()
		p := h.meet(t)
		for _, c := range []struct{ sign, answer string }{
			{masked(fin|pong, ""), ""},
			{masked(fin|text, "x"), "text x"},
			{masked(fin|ping, "y"), "pong y"},
			{masked(text, "a part"), ""},
		} {
			if got := p.next(); got != "ping " {
				t.Fatalf("heard %q, want a ping", got)
			}
			p.send(t, c.sign)
			if c.answer == "" {
				continue
			}
			if got := p.next(); got != c.answer {
				t.Fatalf("heard %q, want %q", got, c.answer)
			}
		}
		if h.Open() != 1 {
			t.Error("it is gone")
		}
		h.Kill()
	})
}

func TestAClientThatTalksIsNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		defer h.tells(t)()
		p := h.meet(t)
		for range 10 {
			p.send(t, masked(fin|text, "x"))
			if got := p.next(); got != "text x" {
				t.Fatalf("heard %q, want its own text", got)
			}
			<-time.After(h.cfg.Heartbeat - 2*tick) // the test's clock is synctest's
		}
		h.Kill()
	})
}

// TestAClosedConnectionIsReadOnForALittle has a client that never stops
// sending and never closes.
func TestAClosedConnectionIsReadOnForALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		p := h.meet(t)
		begin := time.Now()
		heard := make(chan string, 1)
		go func() { heard <- p.next() }()
		p.send(t, masked(fin|0x3, ""))
		var err error
		for err == nil {
			_, err = p.Write([]byte(masked(fin|text, "more")))
			<-time.After(100 * time.Millisecond)
		}
		if got := <-heard; got != fault {
			t.Errorf("heard %q, want %q", got, fault)
		}
		if took := time.Since(begin); took < h.cfg.LastWords || took > h.cfg.LastWords+time.Second {
			t.Errorf("cut after %v, want %v", took, h.cfg.LastWords)
		}
		h.Kill()
	})
}

func TestAClientThatReadsNothingIsCutAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		defer h.tells(t)()
		p := h.meet(t)
		p.send(t, masked(fin|text, "x")) // the pipe holds nothing: the writer waits
		synctest.Wait()
		for _, c := range h.list() {
			c.client.End(frame.Restart)
		}
		begin := time.Now()
		await(t, func() bool { return h.Open() == 0 })
		if took := time.Since(begin); took > h.cfg.LastWords+2*tick {
			t.Errorf("it was there for %v", took)
		}
		h.Kill()
	})
}

// TestADrainIsSpread has as many clients as take a second, in a drain that
// lasts longer: each hears when to come back, and they are closed one by one.
func TestADrainIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, budget = 100, 30 * time.Second
		h := newHouse(t, nil)
		var wg sync.WaitGroup
		begin := time.Now()
		closed, back := make([]time.Duration, clients), make([]time.Duration, clients)
		for i := range clients {
			p := h.meet(t)
			wg.Go(func() {
				back[i] = comeBack(t, p.next())
				if got := p.next(); got != "close 1012 restart" {
					t.Errorf("heard %q, want a restart", got)
				}
				closed[i] = time.Since(begin)
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		h.Drain(ctx, budget)
		wg.Wait()
		spread := clients * perConnection
		for name, times := range map[string][]time.Duration{"closed": closed, "asked back": back} {
			slices.Sort(times)
			if first, last := times[0], times[clients-1]; first > spread/4 || last < spread*3/4 || last > spread+perConnection {
				t.Errorf("%s from %v to %v, want spread over %v", name, first, last, spread)
			}
		}
		if h.Open() != 0 || !h.Draining() || time.Since(begin) > 2*spread {
			t.Errorf("%d connections are left after %v", h.Open(), time.Since(begin))
		}
	})
}

// comeBack is reconnectAfterMs of server:shutdown.
func comeBack(t *testing.T, frame string) time.Duration {
	var said struct {
		Event string
		Data  struct{ ReconnectAfterMs int64 }
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(frame, "text ")), &said); err != nil || said.Event != "server:shutdown" {
		t.Errorf("heard %q, want server:shutdown", frame)
	}
	return time.Duration(said.Data.ReconnectAfterMs) * time.Millisecond
}

func TestADrainCutsWhoIsLeftAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for range 10 {
			h.meet(t) // and reads nothing
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h.Drain(ctx, time.Second)
		if took := time.Since(begin); h.Open() != 0 || took != time.Second {
			t.Errorf("%d connections are left after %v, want none after a second", h.Open(), took)
		}
	})
}

func TestADrainOfNobodyTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		begin := time.Now()
		h.Drain(t.Context(), time.Minute)
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
		if why, ok := h.reserve(); ok || why == "" {
			t.Error("a drained server takes connections")
		}
	})
}

// TestKillLeavesNothing: a goroutine that is left would keep the bubble from
// its end.
func TestKillLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		stop := h.tells(t)
		var peers []*peer
		for range 10 {
			peers = append(peers, h.meet(t))
		}
		peers[1].send(t, masked(fin|text, "x")) // a writer that waits
		peers[2].send(t, masked(fin|0x3, ""))   // one that says last words
		synctest.Wait()
		stop()
		h.Kill()
		if h.Open() != 0 || h.rooms.Len() != 0 {
			t.Errorf("%d connections, %d clients are left", h.Open(), h.rooms.Len())
		}
		for i, p := range peers {
			if i == 2 {
				continue // it has a close frame to hear, or not
			}
			if got := p.next(); got != "end" {
				t.Errorf("client %d heard %q, want the end", i, got)
			}
		}
	})
}
