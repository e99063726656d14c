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
	bytes   int // of lines and taken
	taken   int // lines that the writer took and has not written yet
	thrown  int // signals not delivered, since Thrown was last asked
	ended   bool
	end     frame.End
	relief  []relief
	settled int // bytes that taken lines hold
}

// relief waits for an outbox to be no more than half full.
type relief chan struct{}

// NewOutbox returns an empty one.
func NewOutbox() *Outbox { return &Outbox{wake: make(chan struct{}, 1)} }

// Offer queues a line, and reports whether it will be written unless the
// connection ends. A signal is refused when the outbox is full; for anything
// else waiting signals make room, and if that is not enough the outbox ends
// with frame.TooSlow and refuses everything from then on.
func (o *Outbox) Offer(l *Line) (ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.ended:
		return false
	case o.fits(l):
	case l.Signal:
		o.thrown++
		return false
	default:
		o.throwSignals(l)
		if !o.fits(l) {
			o.finish(frame.TooSlow)
			o.lines = nil // it recovers them when it is back
			return false
		}
	}
	o.lines = append(o.lines, l)
	o.bytes += len(l.Wire)
	o.rouse()
	return true
}

func (o *Outbox) fits(l *Line) bool {
	waiting := len(o.lines) + o.taken
	return waiting == 0 || waiting < MaxWaitingLines && o.bytes+len(l.Wire) <= MaxWaitingBytes
}

// throwSignals throws out waiting signals, oldest first, until l fits.
func (o *Outbox) throwSignals(l *Line) {
	kept := o.lines[:0]
	lines, bytes := len(o.lines)+o.taken, o.bytes
	for _, w := range o.lines {
		if w.Signal && (lines >= MaxWaitingLines || bytes+len(l.Wire) > MaxWaitingBytes) {
			lines--
			bytes -= len(w.Wire)
			o.thrown++
			continue
		}
		kept = append(kept, w)
	}
	clear(o.lines[len(kept):])
	o.lines, o.bytes = kept, bytes
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

func (o *Outbox) finish(e frame.End) {
	o.ended, o.end = true, e
	o.relieve()
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
	defer o.mu.Unlock()
	o.bytes -= o.settled
	o.taken, o.settled = 0, 0
	for i, l := range o.lines {
		if i > 0 && o.settled+len(l.Wire) > most {
			break
		}
		buf = append(buf, l.Wire)
		o.taken++
		o.settled += len(l.Wire)
	}
	rest := copy(o.lines, o.lines[o.taken:])
	clear(o.lines[rest:])
	o.lines = o.lines[:rest]
	if rest == 0 && cap(o.lines) > 64 {
		o.lines = nil // a burst is no reason to keep its array
	}
	if !o.full() {
		o.relieve()
	}
	return buf, o.end, o.ended && o.taken == 0
}

// full is half of the bounds: the point from which others that can wait do.
func (o *Outbox) full() bool {
	return len(o.lines)+o.taken > MaxWaitingLines/2 || o.bytes > MaxWaitingBytes/2
}

func (o *Outbox) relieve() {
	for _, r := range o.relief {
		close(r)
	}
	o.relief = nil
}

// Relieved returns a channel that is closed when no more than half of what
// may wait does, or the outbox has ended; nil if that is so now.
func (o *Outbox) Relieved() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || !o.full() {
		return nil
	}
	r := make(relief)
	o.relief = append(o.relief, r)
	return r
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
