package room

import (
	"sync"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// Bounds of what may wait for one client. The first line always fits, whatever
// its size.
const (
	MaxWaitingLines = 1024
	MaxWaitingBytes = 1 << 20
)

// Outbox is what waits for one client. Offer never blocks; one writer takes.
// The zero Outbox is not ready: use NewOutbox. Safe for concurrent use.
type Outbox struct {
	wake chan struct{} // holds one when there may be something to take

	mu      sync.Mutex // guards all below; nothing is called while it is held
	lines   []*Line
	live    tally    // of lines, those that count, and of those taken and not yet written
	taken   tally    // of live
	past    int      // replayed lines in lines
	thrown  int      // signals not delivered, since Thrown was last asked
	waiters []relief // in no order
	stuck   bool     // it was waited for in vain
	ended   bool
	end     frame.End
}

// tally is a number of lines and the bytes they hold.
type tally struct{ lines, bytes int }

func (t *tally) add(l *Line)    { t.lines++; t.bytes += len(l.Wire) }
func (t *tally) remove(l *Line) { t.lines--; t.bytes -= len(l.Wire) }

// over reports whether l on top would be more than may wait.
func (t tally) over(l *Line) bool {
	return t.lines > 0 && (t.lines >= MaxWaitingLines || t.bytes+len(l.Wire) > MaxWaitingBytes)
}

// relief is somebody who goes on when less waits.
type relief struct {
	call func()
	past bool // it waits for replayed lines to be taken, too
}

// NewOutbox returns an empty one.
func NewOutbox() *Outbox { return &Outbox{wake: make(chan struct{}, 1)} }

// Offer queues a line, and reports whether it will be written unless the
// connection ends. A signal is refused when the outbox is full; for anything
// else waiting signals make room, and if that is not enough the outbox ends
// with frame.TooSlow and refuses everything from then on. Replayed lines do
// not count: whoever replays asks WhenRelieved before the next.
func (o *Outbox) Offer(l *Line) (ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return false
	}
	if !l.Replayed && o.live.over(l) {
		if l.Signal {
			o.thrown++
			return false
		}
		o.throwSignals(l)
		if o.live.over(l) {
			o.lines, o.past = nil, 0 // it recovers them when it is back
			o.finish(frame.TooSlow)
			return false
		}
	}
	o.lines = append(o.lines, l)
	if l.Replayed {
		o.past++
	} else {
		o.live.add(l)
	}
	o.rouse()
	return true
}

// throwSignals throws out waiting signals, oldest first, until l fits.
func (o *Outbox) throwSignals(l *Line) {
	kept := o.lines[:0]
	for _, w := range o.lines {
		if w.Signal && o.live.over(l) {
			o.live.remove(w)
			o.thrown++
			continue
		}
		kept = append(kept, w)
	}
	clear(o.lines[len(kept):])
	o.lines = kept
}

// Finish ends the outbox: what waits is still written, then the connection is
// closed for the reason given. The first end holds.
func (o *Outbox) Finish(e frame.End) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.finish(e)
	}
}

// finish ends it. Those who wait are called by the writer, which it wakes:
// whoever ends an outbox may hold locks that they want.
func (o *Outbox) finish(e frame.End) {
	o.ended, o.end = true, e
	o.rouse()
}

func (o *Outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Wake holds a value when Take may have something to give.
func (o *Outbox) Wake() <-chan struct{} { return o.wake }

// Take moves up to most bytes of waiting lines, but at least one, into buf,
// and says by taking again that the lines taken before are written. When
// nothing is left and the outbox has ended, over is true and end says why.
// Only the one writer may call it.
func (o *Outbox) Take(buf [][]byte, most int) (lines [][]byte, end frame.End, over bool) {
	o.mu.Lock()
	o.live.lines -= o.taken.lines
	o.live.bytes -= o.taken.bytes
	o.taken = tally{}
	n, bytes := 0, 0
	for _, l := range o.lines {
		if n > 0 && bytes+len(l.Wire) > most {
			break
		}
		buf = append(buf, l.Wire)
		n++
		bytes += len(l.Wire)
		if l.Replayed {
			o.past--
		} else {
			o.taken.add(l)
		}
	}
	rest := copy(o.lines, o.lines[n:])
	clear(o.lines[rest:])
	o.lines = o.lines[:rest]
	if rest == 0 && cap(o.lines) > 64 {
		o.lines = nil // a burst is no reason to keep its array
	}
	if !o.full() {
		o.stuck = false
	}
	end, over = o.end, o.ended && n == 0
	relieved := o.relieved()
	o.mu.Unlock()
	for _, r := range relieved {
		r.call()
	}
	return buf, end, over
}

// full is half of the bounds: the point from which others that can wait do.
func (o *Outbox) full() bool {
	return o.live.lines > MaxWaitingLines/2 || o.live.bytes > MaxWaitingBytes/2
}

func (r relief) due(o *Outbox) bool { return o.ended || !o.full() && (!r.past || o.past == 0) }

// relieved takes out those who wait no more.
func (o *Outbox) relieved() (due []relief) {
	if len(o.waiters) == 0 {
		return nil
	}
	still := o.waiters[:0]
	for _, r := range o.waiters {
		if r.due(o) {
			due = append(due, r)
		} else {
			still = append(still, r)
		}
	}
	o.waiters = still
	if len(still) == 0 {
		o.waiters = nil
	}
	return due
}

// WhenRelieved calls f once: when no more than half of what may wait does, or
// the outbox has ended; with past, when no replayed line waits either. If that
// is so now, f is called before WhenRelieved returns, else by the writer: it
// must not block.
func (o *Outbox) WhenRelieved(past bool, f func()) {
	r := relief{call: f, past: past}
	o.mu.Lock()
	due := r.due(o)
	if !due {
		o.waiters = append(o.waiters, r)
	}
	o.mu.Unlock()
	if due {
		f()
	}
}

// patience says whether somebody should wait for the outbox at all: not for
// one that was waited for in vain since it was last half empty.
func (o *Outbox) patience() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full() && !o.stuck && !o.ended
}

// giveUp notes that the outbox was waited for in vain.
func (o *Outbox) giveUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stuck = o.full()
}

// Thrown is how many signals were thrown out or refused since it was last
// asked.
func (o *Outbox) Thrown() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.thrown
	o.thrown = 0
	return n
}

// End is why the outbox takes nothing more, and whether that is so.
func (o *Outbox) End() (e frame.End, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end, o.ended
}
