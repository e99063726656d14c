package hall

import (
	"encoding/json"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// updated is the event by which clients hear of others.
const updated = "presence:update"

// word is what was told of one user.
type word struct {
	seq    uint64
	update wire.PresenceUpdate
	large  bool        // the room is, after it
	spelt  *room.Spelt // alone
	listed []byte      // as it stands among others; nil: it never did
}

// Read reads what was told, only when someone is there to hear it, and reports
// false when it is nothing to be passed on. It runs under the lock of Hall: it
// must parse and do nothing else.
type Read func() (wire.PresenceTold, bool)

// Room takes what was told of a user in a room, by the room's key. It reports
// whether some of it is to be told later, by Flush.
func (h *Hall) Room(seq uint64, key string, now time.Time, read Read) (later bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = seq
	a := h.rooms[key]
	if a == nil {
		return false
	}
	m, ok := read()
	if !ok {
		return false
	}
	w := a.word(seq, m)
	if a.waiting > 0 {
		a.keep(w)
	}
	if w.large || len(a.gathered) > 0 {
		h.gather(a, w, now)
		return len(a.gathered) > 0
	}
	h.tell(a, w)
	return false
}

// User takes what was told of a user in the mesh, by the key of the user's room.
func (h *Hall) User(seq uint64, key string, read Read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = seq
	a := h.users[key]
	if a == nil {
		return
	}
	if m, ok := read(); ok {
		h.tell(a, a.word(seq, m))
	}
}

// Skip notes that up to at there is nothing to be told.
func (h *Hall) Skip(at uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = at
}

func (a *audience) word(seq uint64, m wire.PresenceTold) *word {
	return &word{seq: seq, update: m.PresenceUpdate, large: m.Users > large, spelt: room.Spell(frame.Event{Name: updated, Room: a.shown, Data: spell(m.PresenceUpdate)})}
}

// list is the word as it stands among others of the same room. In a large room
// it does so in many messages.
func (w *word) list() []byte {
	if w.listed == nil {
		u := w.update
		u.Room = ""
		w.listed = spell(u)
	}
	return w.listed
}

// keep keeps a word for those who wait. Beyond the bound the older half goes.
func (a *audience) keep(w *word) {
	if len(a.kept) >= mostKept {
		half := mostKept / 2
		a.since = a.kept[half-1].seq
		a.kept = append([]*word(nil), a.kept[half:]...)
	}
	a.kept = append(a.kept, w)
}

// tell tells a word to all who are to hear it.
func (h *Hall) tell(a *audience, w *word) {
	for e, s := range a.seats {
		if s.hears(w) {
			h.offer(e, w.spelt)
		}
	}
}

func (h *Hall) offer(e *Ear, s *room.Spelt) {
	if e.Outbox.Offer(s.Line(e.Profile, h.frame)) {
		h.told++
	}
}

// hears reports whether a word is for the seat, now.
func (s *Seat) hears(w *word) bool {
	if s.waits > 0 || w.seq <= s.floor {
		return false
	}
	if !s.own {
		return true
	}
	known := w.update.Change == wire.Joined && !s.left
	s.left = w.update.Change == wire.Left
	return !known
}

// tellOne tells words to one seat: one by one, or in a large room, or where they
// are many, in one message.
func (h *Hall) tellOne(s *Seat, words []*word) {
	if len(words) == 0 {
		return
	}
	if len(words) <= single && !words[len(words)-1].large {
		for _, w := range words {
			h.offer(s.ear, w.spelt)
		}
		return
	}
	h.offer(s.ear, s.of.changes(words))
}

// spell writes a body. It is our own struct and JSON that was checked when it
// came, so only a programmer's mistake can fail.
func spell(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("hall: spell " + err.Error())
	}
	return b
}
