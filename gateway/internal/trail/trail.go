// Package trail remembers where in the log the events of each room lie, so
// that what a room missed is found without passing over the events of all
// others: NATS looks at every event between two of a room.
//
// It holds offsets, no events, and proves nothing: what it tells is read from
// the log, which may hold it no more. It does not read, lock or look at rooms'
// names. A Ring takes eight bytes an offset, whatever the rooms.
//
// Each event is linked to the one before it under the same head, and a head
// knows its newest. A head serves all rooms whose hash leads to it; which of
// them an event is of is told by a few more bits of the hash. So a table of
// fixed size does where a map of rooms would grow with them and have to be
// swept, and the price is that one event in four thousand of those that share a
// head is taken for another room's. Who reads it sees whose it is.
package trail

import (
	"fmt"
	"slices"
)

// Room is a hash of what names a room, well mixed in all bits.
type Room uint64

const (
	// MostSpan is how many offsets a Ring can know: a link is 20 bits of
	// distance and 12 of the room's hash.
	MostSpan = 1 << distanceBits

	distanceBits = 20
	distanceMask = MostSpan - 1
	headsPer     = 4 // offsets for each head
)

// Ring knows the rooms of the newest offsets, from one on without a gap. Not
// safe for concurrent use.
type Ring struct {
	links []uint32 // by offset: bits of its room's hash, and how far back the one before under its head is; 0 for none
	last  []uint64 // by head: the newest offset; not above start: none
	first []uint64 // by head: the oldest offset, while the ring can grow
	start uint64   // the ring knows (start, end]
	end   uint64
}

// New returns a ring of so many offsets, a power of two from 4 to MostSpan. It
// knows nothing, from 0 on.
func New(span int) *Ring {
	if span < headsPer || span > MostSpan || span&(span-1) != 0 {
		panic(fmt.Sprintf("trail: a ring of %d offsets", span))
	}
	return &Ring{links: make([]uint32, span), last: make([]uint64, span/headsPer), first: make([]uint64, span/headsPer)}
}

// Begin forgets everything: the next offset is the one after.
func (r *Ring) Begin(after uint64) {
	clear(r.last) // links are led to by heads only
	r.start, r.end = after, after
}

// Knows returns the offsets that the ring knows, those in (after, upTo].
func (r *Ring) Knows() (after, upTo uint64) { return r.start, r.end }

// Add notes that the event at an offset is of a room. Where it is not the next
// offset the ring begins anew, as it would have a gap.
func (r *Ring) Add(offset uint64, room Room) {
	if offset != r.end+1 {
		r.Begin(offset - 1)
	}
	r.end = offset
	if r.end-r.start > uint64(len(r.links)) {
		r.start++
	}
	head, distance := r.head(room), uint64(0)
	if before := r.last[head]; before > r.start {
		distance = offset - before
	} else {
		r.first[head] = offset
	}
	*r.link(offset) = tag(room) | uint32(distance)
	r.last[head] = offset
}

// Event is where an event of a room lies.
type Event struct {
	Offset uint64
	Room   Room
}

// Floor is how far down the ring can grow: no further than to a full ring.
func (r *Ring) Floor() uint64 {
	if span := uint64(len(r.links)); r.end > span {
		return r.end - span
	}
	return 0
}

// Grow notes all events that lie below what the ring knows and above after,
// oldest first. Below Floor it takes none.
func (r *Ring) Grow(after uint64, older []Event) {
	after = max(after, r.Floor())
	for _, e := range slices.Backward(older) {
		if e.Offset <= after || e.Offset > r.start {
			continue
		}
		head := r.head(e.Room)
		if r.last[head] == 0 {
			r.last[head] = e.Offset
		} else {
			*r.link(r.first[head]) |= uint32(r.first[head] - e.Offset) //nolint:gosec // less than the span
		}
		*r.link(e.Offset) = tag(e.Room)
		r.first[head] = e.Offset
	}
	r.start = min(r.start, after)
}

// Since returns the offsets of a room's events after an offset, oldest first,
// perhaps with some of other rooms. It reports false where the ring does not
// reach back so far, and where more than most events would have to be looked
// at.
func (r *Ring) Since(room Room, after uint64, most int) (offsets []uint64, ok bool) {
	if after < r.start || after > r.end {
		return nil, false
	}
	for at := r.last[r.head(room)]; at > after; at = r.before(at) {
		if most--; most < 0 {
			return nil, false
		}
		if r.is(at, room) {
			offsets = append(offsets, at)
		}
	}
	slices.Reverse(offsets)
	return offsets, true
}

func (r *Ring) head(room Room) int { return int(uint64(room) % uint64(len(r.last))) } //nolint:gosec // less than the heads

// tag is the bits of a room that a link holds: others than lead to its head.
func tag(room Room) uint32 { return uint32(room>>32) &^ distanceMask }

func (r *Ring) link(offset uint64) *uint32 { return &r.links[offset&uint64(len(r.links)-1)] } //nolint:gosec // above zero

func (r *Ring) is(offset uint64, room Room) bool { return *r.link(offset)&^distanceMask == tag(room) }

// before is the offset before one under its head, or 0.
func (r *Ring) before(offset uint64) uint64 {
	distance := uint64(*r.link(offset) & distanceMask)
	if distance == 0 || offset-distance <= r.start {
		return 0
	}
	return offset - distance
}
