package room

import "github.com/hubmesh/hubmesh/gateway/internal/frame"

// Bounds of what is replayed to a member before it is asked whether it has
// taken it.
const (
	PartEntries = 128
	PartBytes   = 128 << 10
)

// Past is what a room's members missed since a position, as far as memory
// tells.
type Past struct {
	Held    bool           // it tells: everything after the position is in memory
	At      frame.Position // where the log is now
	Entries []*Entry       // of the room after the position, oldest first
}

// Past tells what a room holds after a position. A position ahead of the log
// as it is heard here is not Held.
func (r *Rooms) Past(key string, since frame.Position) Past {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Past{At: r.at}
	if since.Epoch != r.at.Epoch || since.Offset > r.at.Offset || !r.tail.holds(since.Offset) {
		return p
	}
	p.Held, p.Entries = true, r.tail.since(key, since.Offset, 0)
	return p
}

// Newest tells a room's newest most entries, and where the log is now, if
// memory holds so many.
func (r *Rooms) Newest(key string, most int) (newest []*Entry, at frame.Position, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest = r.tail.since(key, 0, most)
	return newest, r.at, len(newest) == most
}

// Count is how many of entries a connection would be told, and when the oldest
// that is an event was stored, in unix ms.
func (r *Rooms) Count(entries []*Entry, id string) (events int, oldestMs int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		if !e.is() {
			continue
		}
		if oldestMs == 0 {
			oldestMs = e.spelt.event.TimeMs
		}
		if e.except != id {
			events++
		}
	}
	return events, oldestMs
}

// Caught is how far Catch came.
type Caught int

// The ways Catch ends.
const (
	Entered Caught = iota // m is in the room and has been offered all before it
	Behind                // m was offered a part; there is more in memory
	Unheld                // memory does not hold what comes next: read it from the log
	Anew                  // the log is another one
)

// Catch offers m what its room holds in memory after a position, up to a part,
// and lets it into the room when that is all, in one step: m hears everything
// after the position once and in order. It returns how far m is now, and the
// bytes of what it was offered. A position ahead of the log as it is heard here
// is m's own word for what it has: it enters, and hears nothing up to there.
func (r *Rooms) Catch(m *Member, key string, after frame.Position) (upTo uint64, bytes int, c Caught) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.members[m.ID] != m:
		return after.Offset, 0, Entered // it has ended; nothing is left to do
	case after.Epoch != r.at.Epoch:
		return after.Offset, 0, Anew
	case after.Offset < r.at.Offset && !r.tail.holds(after.Offset):
		return after.Offset, 0, Unheld
	}
	upTo, bytes, all := r.offer(m, r.tail.since(key, after.Offset, 0), after.Offset)
	if !all {
		return upTo, bytes, Behind
	}
	r.enter(m, key, max(after.Offset, r.at.Offset))
	return max(after.Offset, r.at.Offset), bytes, Entered
}

// Replay offers m a part of entries that were read from the log, those after
// an offset, and returns how far m is now, and the bytes of what it was offered;
// all is false when some are left.
func (r *Rooms) Replay(m *Member, entries []*Entry, after uint64) (upTo uint64, bytes int, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.offer(m, entries, after)
}

func (r *Rooms) offer(m *Member, entries []*Entry, after uint64) (upTo uint64, bytes int, all bool) {
	n, size := 0, 0
	upTo = after
	for _, e := range entries {
		if e.Offset <= after {
			continue
		}
		if n == PartEntries || n > 0 && size+e.Size > PartBytes {
			return upTo, bytes, false
		}
		n++
		size += e.Size
		upTo = e.Offset
		if e.is() && e.except != m.ID {
			l := &Line{Wire: e.line(m.Profile, r.frame).Wire, Replayed: true}
			m.Outbox.Offer(l)
			bytes += len(l.Wire)
		}
	}
	return upTo, bytes, true
}

// Events is the events of entries, oldest first, without those that are none.
func (r *Rooms) Events(entries []*Entry) (events []frame.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range entries {
		if e.is() {
			events = append(events, e.spelt.event)
		}
	}
	return events
}
