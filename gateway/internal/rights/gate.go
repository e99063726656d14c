package rights

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Gate says whether events may go on to members now. It is open as long as it
// is known that their rights are as the buckets say: for Config.Unheard after
// the ends of the buckets were last seen, for Config.Bound after a change that
// is not worked out yet, and not at all between a reconnect to NATS and the
// proof that nothing has changed meanwhile. A nil Gate is always open. Safe for
// concurrent use.
type Gate struct {
	nc  *nats.Conn
	now func() time.Time

	until atomic.Int64  // unix ns; written under mu
	seen  atomic.Uint64 // reconnects that were there at the last proof; written under mu

	mu     sync.Mutex // guards all below
	moved  sync.Cond  // until, seen or ended has changed
	proven time.Time  // when the proof ends
	last   change
	open   map[change]time.Time // those that are not worked out, and until when that may take
	ended  bool

	waiters []func() // to be called when it opens
}

// change is the number of one that is being worked out.
type change uint64

// NewGate returns a gate that is shut until Watch has begun.
func NewGate(nc *nats.Conn) *Gate {
	g := &Gate{nc: nc, now: time.Now, open: map[change]time.Time{}}
	g.moved.L = &g.mu
	return g
}

// Open reports whether events may go on now.
func (g *Gate) Open() bool {
	return g == nil || g.now().UnixNano() < g.until.Load() && g.nc.Stats().Reconnects == g.seen.Load()
}

// Wait returns when events may go on. While it waits authz is being asked, or
// the buckets are: Watch opens the gate for good when it ends.
func (g *Gate) Wait() {
	if g.Open() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.ended && !g.Open() {
		g.moved.Wait()
	}
}

// WhenOpen calls f once events may go on: before it returns if that is now,
// else on a goroutine of Watch's. f must not block.
func (g *Gate) WhenOpen(f func()) {
	if !g.Open() && g.wait(f) {
		return
	}
	f()
}

// wait keeps f for when the gate opens, unless it is open now.
func (g *Gate) wait(f func()) (waits bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || g.Open() {
		return false
	}
	g.waiters = append(g.waiters, f)
	return true
}

// begin notes a change that must be worked out by a time.
func (g *Gate) begin(by time.Time) (c change) {
	g.move(func() {
		g.last++
		c = g.last
		g.open[c] = by
	})
	return c
}

// end notes that a change is worked out.
func (g *Gate) end(c change) { g.move(func() { delete(g.open, c) }) }

// prove notes that after so many reconnects all changes were known, and until
// when that counts.
func (g *Gate) prove(reconnects uint64, until time.Time) {
	g.move(func() {
		g.seen.Store(reconnects)
		g.proven = until
	})
}

// finish opens the gate for those who wait, who are about to end too.
func (g *Gate) finish() { g.move(func() { g.ended = true }) }

// move changes what is known, and lets those go on who wait, if they may.
func (g *Gate) move(know func()) {
	for _, f := range g.moves(know) {
		f()
	}
}

func (g *Gate) moves(know func()) (due []func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	know()
	until := g.proven
	for _, by := range g.open {
		if by.Before(until) {
			until = by
		}
	}
	g.until.Store(until.UnixNano())
	g.moved.Broadcast()
	if g.ended || g.Open() {
		due, g.waiters = g.waiters, nil
	}
	return due
}
