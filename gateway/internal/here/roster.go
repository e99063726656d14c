package here

import (
	"slices"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/hall"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Stay is a connection on its way into a room's roster, and what it is told of
// those who are there.
type Stay struct {
	Room   subject.Room
	Roster wire.PresenceRoomAnswer
	Code   wire.Code // why it is told nothing; or ""

	of    *appearance
	user  string
	key   string
	seat  *hall.Seat
	seq   uint64 // of HUB_PRESENCE, which the roster must know
	alone bool   // the roster is asked for this user, and for nobody else
	over  bool
}

// appearance is all stays of one ask. It is guarded by Here.mu.
type appearance struct {
	stays []*Stay
	left  int // that are not over
	until time.Time
	done  func([]*Stay)
}

// roster is that of one room that is wanted: all who want it at once get one
// answer, those who come meanwhile the next. It is guarded by Here.mu.
type roster struct {
	asked []*Stay   // under way
	next  []*Stay   // to be asked for then
	after time.Time // not before then
}

// Appear puts the connection into the rosters of rooms, and calls done when it
// is known who is in each of them, in their order, or why not. Until Enter it
// hears nothing of those rooms. What presence does not answer for in time stays
// reported: others will see the connection.
func (h *Here) Appear(c *Conn, rooms []subject.Room, done func([]*Stay)) {
	a := &appearance{left: len(rooms), until: time.Now().Add(h.cfg.Wait), done: done}
	for _, r := range rooms {
		a.stays = append(a.stays, &Stay{Room: r, of: a, user: c.user, key: r.Key(), seat: h.hall.Begin(c.ear, r.Key(), r.String())})
	}
	var known bool
	h.change(func() {
		h.joins[a] = struct{}{}
		turn := h.book.Enter(c.id, names(rooms))
		if known = turn > 0 && h.book.Known(c.id, turn); known {
			return
		}
		h.await(c, turn, func(p frame.Problem) { h.taken(c, a, p) })
	})
	if known {
		h.taken(c, a, frame.Problem{})
	}
}

// taken goes on when presence has the connection in the rooms.
func (h *Here) taken(c *Conn, a *appearance, p frame.Problem) {
	if p.Is() {
		h.mu.Lock()
		done := h.finish(a.stays, p.Code)
		h.mu.Unlock()
		done()
		return
	}
	for _, s := range a.stays {
		h.mu.Lock()
		s.seq = c.seq
		r := h.rosters[s.key]
		if r == nil {
			r = &roster{}
			h.rosters[s.key] = r
		}
		r.next = append(r.next, s)
		h.mu.Unlock()
		h.ask(s.key)
	}
}

// finish notes that it is known, or with a code that it is not, who is in the
// rooms of stays. It is called under mu, and returns what is to be called
// without.
func (h *Here) finish(stays []*Stay, code wire.Code) (done func()) {
	var whole []*appearance
	for _, s := range stays {
		if s.over {
			continue
		}
		s.over, s.Code = true, code
		if s.of.left--; s.of.left == 0 {
			delete(h.joins, s.of)
			whole = append(whole, s.of)
		}
	}
	return func() {
		for _, a := range whole {
			a.done(a.stays)
		}
	}
}

// ask asks for the roster of a room, if it is wanted and not under way.
func (h *Here) ask(key string) {
	h.mu.Lock()
	q, ok := h.question(key)
	h.mu.Unlock()
	if ok {
		h.asks.Room(q, func(a wire.PresenceRoomAnswer, p frame.Problem) { h.rostered(key, a, p) })
	}
}

// question is what is to be asked of a room now. It is called under mu.
func (h *Here) question(key string) (q wire.PresenceRoomAsk, ok bool) {
	r := h.rosters[key]
	if r == nil || len(r.asked) > 0 {
		return q, false
	}
	r.next = slices.DeleteFunc(r.next, func(s *Stay) bool { return s.over })
	switch {
	case len(r.next) == 0:
		delete(h.rosters, key)
		return q, false
	case time.Now().Before(r.after):
		return q, false
	case r.next[0].alone:
		r.asked, r.next = r.next[:1:1], r.next[1:]
	default:
		r.asked, r.next = r.next, nil
	}
	q.Room, q.User = r.asked[0].Room.String(), r.asked[0].user
	for _, s := range r.asked {
		q.AtLeast = max(q.AtLeast, s.seq)
		if s.user != q.User {
			q.User = ""
		}
	}
	return q, true
}

// again is how long a replica that knows too little is given.
const again = 20 * time.Millisecond

// rostered takes the answer to a question about a room.
func (h *Here) rostered(key string, a wire.PresenceRoomAnswer, p frame.Problem) {
	h.mu.Lock()
	r := h.rosters[key]
	asked := r.asked
	r.asked = nil
	shared := slices.ContainsFunc(asked, func(s *Stay) bool { return s.user != asked[0].user })
	var good []*Stay
	for _, s := range asked {
		switch {
		case p.Is():
			good = append(good, s)
		case !h.hall.Joins(s.seat, a.Epoch, a.Told):
			r.next = append(r.next, s)
			r.after = time.Now().Add(again)
		case shared && lacks(a, s.user):
			// Invisible, or not told yet by whoever answered: his own roster has him.
			s.alone = true
			r.next = append(r.next, s)
		default:
			s.Roster = a
			good = append(good, s)
		}
	}
	done := h.finish(good, p.Code)
	h.mu.Unlock()
	done()
	h.ask(key)
	h.rouse()
}

// lacks reports whether a user would be in a page if he were in the roster.
func lacks(a wire.PresenceRoomAnswer, user string) bool {
	if a.Next != "" && user > a.Next {
		return false
	}
	_, found := slices.BinarySearchFunc(a.Users, user, func(u wire.PresenceUser, user string) int { return strings.Compare(u.User, user) })
	return !found
}

// Enter lets the connection hear of those in the room, all that is not in what
// it was told. It reports false when that cannot be had any more.
func (h *Here) Enter(s *Stay) (whole bool) {
	if s.Code != "" {
		return h.hall.Enter(s.seat, 0)
	}
	return h.hall.Enter(s.seat, s.Roster.Told)
}
