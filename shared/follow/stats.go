package follow

import "sync/atomic"

// Stats is what a follower has counted since Listen.
type Stats struct {
	Heard   uint64 // entries that came as copies
	Filled  uint64 // entries read back
	Holes   uint64 // times something was read back
	Gone    uint64 // sequences that could not be read back
	Dropped uint64 // messages that the subscription lost because its channel was full
	Foreign uint64 // messages that are no copies of the stream's, or of one before it
	Resets  uint64
	Lag     uint64 // entries above W that the log is known to hold
}

// counters are what Stats is made of, written by one goroutine.
type counters struct {
	heard, filled, holes, gone, foreign, resets atomic.Uint64

	end atomic.Uint64 // the highest sequence that the log is known to have
}

// Stats counts. Safe for concurrent use.
func (f *Follower) Stats() Stats {
	s := Stats{
		Heard:   f.count.heard.Load(),
		Filled:  f.count.filled.Load(),
		Holes:   f.count.holes.Load(),
		Gone:    f.count.gone.Load(),
		Foreign: f.count.foreign.Load(),
		Resets:  f.count.resets.Load(),
	}
	if n, err := f.sub.Dropped(); err == nil && n > 0 { // it fails only when the subscription has ended
		s.Dropped = uint64(n)
	}
	if _, w := f.Position(); f.count.end.Load() > w {
		s.Lag = f.count.end.Load() - w
	}
	return s
}

// ended notes that the log goes up to seq.
func (c *counters) ended(seq uint64) {
	if seq > c.end.Load() {
		c.end.Store(seq)
	}
}
