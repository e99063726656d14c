package hall

import (
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

const (
	large  = 1000        // users; what is told of a room with more is gathered
	pause  = time.Second // between two messages of such a room
	most   = 1000        // changes in one message; more come with the next
	single = 256         // so many that were missed in a smaller room are told one by one
)

// gather notes what is to be told with the room's next message, which is now if
// the last was long ago.
func (h *Hall) gather(a *audience, w *word, now time.Time) {
	a.gathered = append(a.gathered, w)
	h.due[a] = struct{}{}
	if !now.Before(a.next) {
		h.flush(a, now)
	}
}

// Flush tells what was gathered and is due, and returns when it must be called
// again; the zero time: not before something was gathered.
func (h *Hall) Flush(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for a := range h.due {
		if !now.Before(a.next) {
			h.flush(a, now)
		}
		if len(a.gathered) > 0 && (next.IsZero() || a.next.Before(next)) {
			next = a.next
		}
	}
	return next
}

// flush tells a part of what was gathered. A seat that was told a roster hears
// of it only what is not in that.
func (h *Hall) flush(a *audience, now time.Time) {
	// However much there is, it is told within about ten messages.
	words := a.gathered[:min(len(a.gathered), max(most, len(a.gathered)/10))]
	a.gathered = a.gathered[len(words):]
	a.next = now.Add(pause)
	if len(a.gathered) == 0 {
		a.gathered = nil
		delete(h.due, a)
	}
	spelt := map[uint64]*room.Spelt{} // by the first word in it
	for e, s := range a.seats {
		for i, w := range words {
			if !s.hears(w) {
				continue
			}
			if spelt[w.seq] == nil {
				spelt[w.seq] = a.changes(words[i:])
			}
			h.offer(e, spelt[w.seq])
			break
		}
	}
}

// changes is words as one message.
func (a *audience) changes(words []*word) *room.Spelt {
	body := append([]byte(`{"room":`), spell(a.room)...)
	body = append(body, `,"changes":`...)
	before := byte('[')
	for _, w := range words {
		body = append(append(body, before), w.list()...)
		before = ','
	}
	return room.Spell(frame.Event{Name: updated, Room: a.shown, Data: append(body, "]}"...)})
}
