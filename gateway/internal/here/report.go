package here

import (
	"context"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	mostReports = 4         // under way at once, so that replicas share the work
	mostStands  = 500       // connections in one
	mostBytes   = 512 << 10 // and about how many bytes
	firstPause  = 100 * time.Millisecond
	lastPause   = 2 * time.Second
	tick        = 50 * time.Millisecond // how often waits are looked at while there are any
)

// wait is somebody who goes on when presence has answered for a connection as it
// stood at a turn.
type wait struct {
	turn  uint64
	until time.Time
	done  func(frame.Problem)
}

// change changes the book, and has what follows reported.
func (h *Here) change(what func()) {
	h.mu.Lock()
	what()
	h.count()
	h.mu.Unlock()
	h.rouse()
}

func (h *Here) rouse() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake already
	}
}

// count brings the figures up to date. It is called under mu. Connections that
// end after Serve, as those of a gateway that was killed, are owed to nobody.
func (h *Here) count() {
	if h.over {
		return
	}
	owed := h.book.Owed()
	h.meter.Owed.Add(float64(owed - h.owed)) // others may share the gauge
	h.owed = owed
	if n := h.book.Forgotten(); n > 0 {
		h.meter.Forgotten.Add(float64(n))
	}
}

// await has done called when presence has answered for a turn that is not
// answered for yet; 0 is that of a connection that has ended. It is called under
// mu, and done is not.
func (h *Here) await(c *Conn, turn uint64, done func(frame.Problem)) {
	until := time.Now().Add(h.cfg.Wait)
	if turn == 0 {
		until = time.Time{}
	}
	c.waits = append(c.waits, wait{turn, until, done})
	h.waiting[c] = struct{}{}
}

// release takes out the waits of a connection that are over, by what over says
// of each, and returns what is to be called for them. It is called under mu.
func (h *Here) release(c *Conn, p frame.Problem, over func(wait) bool) (due []func()) {
	left := c.waits[:0]
	for _, w := range c.waits {
		if over(w) {
			due = append(due, func() { w.done(p) })
		} else {
			left = append(left, w)
		}
	}
	clear(c.waits[len(left):])
	if c.waits = left; len(left) == 0 {
		c.waits = nil
		delete(h.waiting, c)
	}
	return due
}

// work reports what is due, and lets those go on who wait, until ctx ends.
func (h *Here) work(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		h.report()
		next := h.settle(time.Now())
		if h.cfg.Gate == nil || h.cfg.Gate.Open() {
			if due := h.hall.Flush(h.cfg.Now()); !due.IsZero() {
				next = min(next, max(due.Sub(h.cfg.Now()), time.Millisecond))
			}
		} else {
			next = min(next, tick)
		}
		h.meter.Told.Add(float64(h.hall.Told()))
		timer.Reset(next)
		select {
		case <-h.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// report sends what is due, as far as it may be under way at once.
func (h *Here) report() {
	for {
		h.mu.Lock()
		var stands []wire.PresenceStand
		if h.reports < mostReports && !time.Now().Before(h.quiet) {
			stands = h.book.Next(mostStands, mostBytes)
		}
		if len(stands) > 0 {
			h.reports++
		}
		h.mu.Unlock()
		if len(stands) == 0 {
			return
		}
		h.asks.Report(wire.PresenceReport{Gateway: h.cfg.Gateway, Connections: stands}, func(a wire.PresenceReported, p frame.Problem) {
			h.answered(stands, a, p)
		})
	}
}

// answered takes the answer to a report, and lets those go on who waited for it.
func (h *Here) answered(stands []wire.PresenceStand, a wire.PresenceReported, p frame.Problem) {
	h.mu.Lock()
	h.reports--
	var due []func()
	if p.Is() {
		due = h.unanswered(stands, p.Code == wire.NoHandler)
	} else {
		due = h.stored(stands, a)
	}
	h.count()
	if h.idle != nil && h.book.Owed() == 0 {
		close(h.idle)
		h.idle = nil
	}
	h.mu.Unlock()
	if len(a.Refused) > 0 {
		h.log.Warn("here: presence refuses connections for good; the first of them is", obs.Conn, a.Refused[0], "connections", len(a.Refused))
	}
	for _, f := range due {
		f()
	}
	h.rouse()
}

// stored notes what presence has answered for. It is called under mu, and
// returns what is to be called without.
func (h *Here) stored(stands []wire.PresenceStand, a wire.PresenceReported) (due []func()) {
	h.book.Answered(stands, a.Failed)
	h.meter.Reported(meter.OK, len(stands)-len(a.Failed)-len(a.Refused))
	h.meter.Reported(meter.Refused, len(a.Refused))
	h.meter.Reported(meter.Silent, len(a.Failed))
	for _, s := range stands {
		c := h.conns[s.Connection]
		if !h.book.Known(s.Connection, s.Turn) && !h.book.Gone(s.Connection) {
			continue // it failed
		}
		c.seq = max(c.seq, a.Sequence)
		due = append(due, h.release(c, frame.Problem{}, func(w wait) bool { return w.turn > 0 && w.turn <= s.Turn })...)
		if h.book.Gone(s.Connection) {
			due = append(due, h.release(c, silent(), func(wait) bool { return true })...)
			delete(h.conns, c.id)
		}
	}
	h.pause = 0
	if len(a.Failed) > 0 {
		h.slower()
	}
	return due
}

// unanswered has a report repeated. Where nobody listens nobody need wait. It is
// called under mu, and returns what is to be called without.
func (h *Here) unanswered(stands []wire.PresenceStand, nobody bool) (due []func()) {
	h.book.Silent(stands, nobody)
	h.meter.Reported(meter.Silent, len(stands))
	h.slower()
	if nobody {
		if h.idle != nil && time.Since(h.asked) >= nobodyWait {
			close(h.idle)
			h.idle = nil
		}
		for c := range h.waiting {
			due = append(due, h.release(c, silent(), func(wait) bool { return true })...)
		}
	}
	return due
}

// slower makes the next reports wait, longer each time. It is called under mu.
func (h *Here) slower() {
	h.pause = min(max(2*h.pause, firstPause), lastPause)
	h.quiet = time.Now().Add(h.pause)
}

// settle lets those go on whose wait is over, asks for rosters that are wanted,
// and returns until when there is nothing else to do.
func (h *Here) settle(now time.Time) (next time.Duration) {
	next = time.Minute
	h.mu.Lock()
	var due []func()
	for c := range h.waiting {
		due = append(due, h.release(c, silent(), func(w wait) bool { return !now.Before(w.until) })...)
	}
	var wanted []string
	for key, r := range h.rosters {
		if len(r.asked) == 0 {
			wanted = append(wanted, key)
		}
	}
	for a := range h.joins {
		if !now.Before(a.until) {
			due = append(due, h.finish(a.stays, wire.Unavailable))
		}
	}
	if h.book.Owed() > 0 && now.Before(h.quiet) {
		next = h.quiet.Sub(now)
	}
	if len(h.waiting)+len(h.joins) > 0 {
		next = min(next, tick)
	}
	if len(wanted) > 0 {
		next = min(next, again)
	}
	h.mu.Unlock()
	for _, f := range due {
		f()
	}
	for _, key := range wanted {
		h.ask(key)
	}
	return next
}

func silent() frame.Problem {
	return frame.Problem{Code: wire.Unavailable, Message: "presence does not answer now: try again"}
}

// nobodyWait is how long it takes to be sure that no replica of presence is
// about to be there again.
const nobodyWait = 500 * time.Millisecond

// Drained returns when presence has answered for everything, when nobody is
// there who could, or when ctx ends, and how many connections it is owed then.
func (h *Here) Drained(ctx context.Context) (owed int) {
	h.mu.Lock()
	if owed = h.book.Owed(); owed == 0 {
		h.mu.Unlock()
		return 0
	}
	if h.idle == nil {
		h.idle = make(chan struct{})
	}
	idle := h.idle
	h.asked, h.pause, h.quiet = time.Now(), 0, time.Time{}
	h.mu.Unlock()
	h.rouse()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.book.Owed()
}
