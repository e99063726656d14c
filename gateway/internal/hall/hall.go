// Package hall is who on this gateway hears of whom: connections that asked for
// presence hear of the users in their rooms, and those in a user's room how that
// user is in the mesh.
//
// It takes what presence has told, in the order of that log, and knows neither
// NATS nor a client protocol. What a connection hears joins the roster that it
// was given, without a gap and with nothing twice: from Begin on, before the
// roster is asked for, what is told of the room is kept, and Enter gives it what
// is not in the roster, which stands at a position in the same log.
//
//	Begin ── kept ──────────────┐         ┌── heard
//	log:   ─ w ─ w ─ w ─ w ─ w ─┴ Enter ──┴─ w ─ w ─►
//	                    └ the roster knows all up to here
//
// In rooms of more than a thousand users what is told is gathered: one message
// a second at most, so that a room of ten thousand that all come at once costs
// messages by the number of its members and of seconds, not by its square.
//
// Read this file first (who hears), then word.go (what), gather.go.
package hall

import (
	"slices"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// mostKept is how many words on a room are kept for those who are on their way
// into it. Asking for a roster takes milliseconds.
const mostKept = 4096

// Ear is one connection that hears of others. Its fields are set before it is
// first given to a Hall.
type Ear struct {
	Profile door.Profile
	Outbox  *room.Outbox

	seats []*Seat // guarded by Hall.mu
}

// Seat is a connection's place in a room: from Begin to Leave.
type Seat struct {
	of    *audience
	ear   *Ear
	began uint64 // when it last began to wait for a roster, others were told the log up to here
	floor uint64 // what is up to here it has heard, or was told by a roster
	waits int    // rosters that are on their way to it
	own   bool   // it hears of its own user
	left  bool   // the last it heard is that the user has left
}

// audience is those who hear of one room, or of one user in the mesh.
type audience struct {
	key   string
	room  string // "" of a user in the mesh
	shown string // the room in which clients hear it
	seats map[*Ear]*Seat

	waiting int     // seats that wait for a roster
	kept    []*word // while there are such: all above since
	since   uint64

	gathered []*word   // not told yet
	next     time.Time // not before then
}

// Hall is all who hear of others. Safe for concurrent use.
type Hall struct {
	frame room.Frame

	mu    sync.Mutex // guards all below; held while lines are put into outboxes, never over a write
	rooms map[string]*audience
	users map[string]*audience // by the key of the user's room
	due   map[*audience]struct{}
	epoch string
	at    uint64 // the log is known up to here
	told  int    // messages, since Told was last asked
}

// New returns a hall in which nobody is.
func New(framing room.Frame) *Hall {
	return &Hall{frame: framing, rooms: map[string]*audience{}, users: map[string]*audience{}, due: map[*audience]struct{}{}}
}

// Place sets the position to a place in a log of which nothing was heard.
func (h *Hall) Place(epoch string, at uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch, h.at = epoch, at
}

// Begin keeps what is told of a room for a connection that is about to be given
// its roster. It must Enter or Leave. One that hears of the room already hears
// nothing of it until it enters again.
func (h *Hall) Begin(e *Ear, key, name string) *Seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.seat(e, h.rooms, key, name, name)
	if s.waits++; s.waits > 1 {
		return s
	}
	a := s.of
	s.began = h.at
	if len(a.gathered) > 0 {
		s.began = a.gathered[0].seq - 1 // the rest may be told before it enters
	}
	if a.waiting++; a.waiting == 1 {
		a.since, a.kept = s.began, slices.Clone(a.gathered)
	}
	return s
}

// seat is the connection's seat in the audience under key, a new one if it has
// none.
func (h *Hall) seat(e *Ear, all map[string]*audience, key, name, shown string) *Seat {
	a := all[key]
	if a == nil {
		a = &audience{key: key, room: name, shown: shown, seats: map[*Ear]*Seat{}}
		all[key] = a
	}
	s := a.seats[e]
	if s == nil {
		s = &Seat{of: a, ear: e, floor: h.at}
		a.seats[e] = s
		e.seats = append(e.seats, s)
	}
	return s
}

// Joins reports whether what the seat hears joins a roster that knows the log of
// an epoch up to told. If not, the roster is of one who knows too little.
func (h *Hall) Joins(s *Seat, epoch string, told uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return epoch == h.epoch && told >= s.began && told >= s.of.since
}

// Enter lets a connection hear of the room again, or for the first time, once
// it was told a roster that knows the log up to told; 0: it was told none. It
// reports false when so much was told meanwhile that a part of it is not there
// any more: then what the connection was told is wrong.
func (h *Hall) Enter(s *Seat, told uint64) (whole bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.of.seats[s.ear] != s || s.waits == 0 {
		return true // it has left meanwhile
	}
	if told > 0 {
		s.floor = told
	}
	if s.waits--; s.waits > 0 {
		return true // another roster is on its way, and is told before anything else
	}
	whole = max(s.floor, s.began) >= s.of.since
	h.missed(s)
	h.arrived(s.of)
	return whole
}

// missed tells the seat what was told to others while it waited, and is not to
// be told to all later.
func (h *Hall) missed(s *Seat) {
	a, after := s.of, max(s.floor, s.began)
	var words []*word
	for _, w := range a.kept {
		if w.seq > after && (len(a.gathered) == 0 || w.seq < a.gathered[0].seq) {
			words = append(words, w)
		}
	}
	h.tellOne(s, words)
}

// arrived notes that one seat of the audience less waits.
func (h *Hall) arrived(a *audience) {
	if a.waiting--; a.waiting == 0 {
		a.kept = nil
	}
}

// Watch lets a connection hear how a user is in the mesh, by the key and the
// name of the user's room. own says that it is a connection of that user: that
// he is here it knows, and is told only if it was told that he has left.
func (h *Hall) Watch(e *Ear, key, name string, own bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seat(e, h.users, key, "", name).own = own
}

// Leave lets a connection hear nothing more of a room nor, unless it is its own,
// of the user whose room it is.
func (h *Hall) Leave(e *Ear, key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave(h.rooms[key], e)
	if a := h.users[key]; a != nil && a.seats[e] != nil && !a.seats[e].own {
		h.leave(a, e)
	}
}

func (h *Hall) leave(a *audience, e *Ear) {
	if a == nil || a.seats[e] == nil {
		return
	}
	s := a.seats[e]
	delete(a.seats, e)
	e.seats = slices.DeleteFunc(e.seats, func(other *Seat) bool { return other == s })
	if s.waits > 0 {
		h.arrived(a)
	}
	if len(a.seats) > 0 {
		return
	}
	delete(h.due, a)
	if a.room == "" {
		delete(h.users, a.key)
	} else {
		delete(h.rooms, a.key)
	}
}

// Remove takes a connection out of everything.
func (h *Hall) Remove(e *Ear) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(e.seats) > 0 {
		h.leave(e.seats[0].of, e)
	}
}

// Len is how many rooms, and users, somebody hears of.
func (h *Hall) Len() (rooms, users int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.rooms), len(h.users)
}

// Told is how many messages were told since it was last asked.
func (h *Hall) Told() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, h.told = h.told, 0
	return n
}

// Reset goes on with another log. What those in rooms were told of each other
// may not be so any more, and nobody can tell what is: their connections end,
// each after last's event, made for the n-th of so many.
func (h *Hall) Reset(epoch string, at uint64, last func(n, of int) frame.Event, end frame.End) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.epoch, h.at = epoch, at
	clear(h.due)
	out := map[*Ear]struct{}{}
	for _, a := range h.rooms {
		a.kept, a.gathered, a.since = nil, nil, at
		for e := range a.seats {
			out[e] = struct{}{}
		}
	}
	n := 0
	for e := range out {
		e.Outbox.Offer(&room.Line{Wire: h.frame(e.Profile.Spell(last(n, len(out))))})
		e.Outbox.Finish(end)
		n++
	}
}
