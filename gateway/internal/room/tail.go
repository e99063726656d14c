package room

import "slices"

// Bounds of the recent past that is kept in memory.
const (
	tailEntries = 16 << 10
	tailBytes   = 32 << 20
)

// tail is the newest part of the log, so that clients that come back after a
// short while, perhaps all at once, cost the bus nothing. Entries of one room
// are chained, so what a room missed is found in steps of what it missed.
//
// It is without holes: a log that skips begins a new tail.
type tail struct {
	ring  []slot
	first uint64 // count of the oldest slot held; counts are never used again
	next  uint64 // count of the next slot
	bytes int
	start uint64            // every entry above it and up to the newest is held
	last  map[string]uint64 // count of each room's newest slot, plus one
}

type slot struct {
	*Entry
	before uint64 // count of the slot before it of the same room, plus one; 0 for none
}

func newTail(after uint64) *tail {
	return &tail{start: after, last: map[string]uint64{}}
}

func (t *tail) at(count uint64) *slot { return &t.ring[count%uint64(len(t.ring))] }

// add appends the log's next entry.
func (t *tail) add(e *Entry) {
	if len(t.ring) == 0 {
		t.ring = make([]slot, tailEntries)
	}
	for t.next-t.first >= uint64(len(t.ring)) || t.bytes+e.Size > tailBytes && t.next > t.first {
		t.drop()
	}
	*t.at(t.next) = slot{Entry: e, before: t.last[e.Key]}
	t.bytes += e.Size
	t.next++
	t.last[e.Key] = t.next
}

// drop forgets the oldest entry.
func (t *tail) drop() {
	s := t.at(t.first)
	t.first++
	if t.last[s.Key] == t.first {
		delete(t.last, s.Key)
	}
	t.start = s.Offset
	t.bytes -= s.Size
	*s = slot{}
}

// holds reports whether everything after an offset is held.
func (t *tail) holds(after uint64) bool { return after >= t.start }

// since returns a room's entries after an offset that the tail holds, oldest
// first; most, if above zero, limits them to the newest.
func (t *tail) since(key string, after uint64, most int) (found []*Entry) {
	for count := t.last[key]; count > t.first; {
		s := t.at(count - 1)
		if s.Offset <= after || most > 0 && len(found) == most {
			break
		}
		found = append(found, s.Entry)
		count = s.before
	}
	slices.Reverse(found)
	return found
}
