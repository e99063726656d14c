package session_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// TestAnyOrderOfAsksAndAnswersKeepsTheRules lets things happen to sessions at
// random. Whatever their order: nothing panics, each ask is answered once or
// the session is over, nothing is decided after its end, no bound is passed,
// nothing is done without a right that authz gave, no room is entered that was
// left after it was asked for, and publishes keep their order.
func TestAnyOrderOfAsksAndAnswersKeepsTheRules(t *testing.T) {
	const walks, steps = 1500, 120
	ended := 0
	for seed := range uint64(walks) {
		w := newWalk(t, seed)
		for range steps {
			w.step()
		}
		for w.pending() {
			w.answer()
		}
		if w.s.Over() {
			ended++
			continue
		}
		for n := range w.open {
			if w.let && frame.RefOf(w.asked[n]).Wanted {
				w.fail("ask %d was never answered", n)
			}
		}
	}
	if ended == 0 || ended == walks {
		t.Errorf("%d of %d walks reached the end of their session, want some", ended, walks)
	}
}

// FuzzWalk is the same, steered by what finds new ways.
func FuzzWalk(f *testing.F) {
	for seed := range uint64(16) {
		f.Add(seed, uint8(100))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		w := newWalk(t, seed)
		for range steps {
			w.step()
		}
	})
}

// walk is one session and what was seen of it.
type walk struct {
	t    *testing.T
	seed uint64
	rand *rand.Rand
	now  time.Time
	s    *session.Session
	cfg  session.Config
	log  []string

	n     int64              // asks so far; each has its number in its Ref
	open  map[int64]bool     // those not answered yet
	asked map[int64]frame.In // subscribes, to compare with what is told
	left  map[string]int64   // rooms' last unsubscribe
	in    map[string]bool    // rooms that the client is in, without its own
	put   map[string]bool    // of them, those that a backend has put it into
	given map[string]bool    // "room right": authz gave it once
	last  map[string]int64   // lane: the last publish that went out
	let   bool               // greeted
	over  bool               // Close was seen

	here map[string]bool // rooms whose roster it is in

	connects, calls, histories []session.Tag
	declares, rosters          []session.Tag
	appears                    []session.Appear
	joins                      []session.AskJoin
	looks                      []session.Look
	changes                    []session.AskJoin // of rights: what Touched returned
	storing                    bool
}

func newWalk(t *testing.T, seed uint64) *walk {
	t.Helper()
	w := &walk{
		t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), now: t0(),
		cfg:  session.Config{Connection: "g1-7", Gateway: "g1", MaxRooms: 3, MaxCalls: 2, MaxWaiting: 3},
		open: map[int64]bool{}, asked: map[int64]frame.In{}, left: map[string]int64{}, in: map[string]bool{}, put: map[string]bool{}, given: map[string]bool{}, here: map[string]bool{}, last: map[string]int64{},
	}
	w.s = session.New(w.cfg, w.now)
	if w.rand.IntN(2) == 0 {
		w.did("admit", w.s.Admit(w.now, w.who(), w.since()))
	}
	return w
}

func (w *walk) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.log {
		w.t.Log(line)
	}
	w.t.Fatalf("walk %d: "+format, append([]any{w.seed}, args...)...)
}

// step lets one thing happen.
func (w *walk) step() {
	switch p := w.rand.IntN(100); {
	case p < 55:
		in := w.ask()
		if !w.over {
			w.heard(in)
		}
		w.did(fmt.Sprintf("hear %T%+v", in, in), w.s.Hear(w.now, in))
	case p < 90:
		w.answer()
	case p < 94:
		w.change()
	case p < 99:
		w.now = w.now.Add(time.Duration(w.rand.IntN(8000)) * time.Millisecond)
		w.did("tick", w.s.Tick(w.now))
	case w.rand.IntN(10) == 0:
		w.did("end", w.s.End(frame.Restart))
	}
}

func (w *walk) heard(in frame.In) {
	if _, broken := in.(frame.Broken); broken {
		return
	}
	w.open[w.n] = true
	w.asked[w.n] = in
}

func (w *walk) room() string {
	return []string{"task:1", "task:2", "task:3", "task:4", "task:5", "user:ann", "hub:all", "nope"}[w.rand.IntN(8)]
}

func (w *walk) rooms() (list []string) {
	for range 1 + w.rand.IntN(4) {
		list = append(list, w.room())
	}
	return list
}

func (w *walk) since() *frame.Position {
	if w.rand.IntN(3) > 0 {
		return nil
	}
	return &frame.Position{Epoch: "e", Offset: w.rand.Uint64N(50)}
}

// ask is something that a client may ask. An ask that wants no answer keeps
// its number, so that it can be followed all the same.
func (w *walk) ask() frame.In {
	w.n++
	ref := frame.Ref{N: w.n, Wanted: w.rand.IntN(5) > 0}
	data := []byte(strconv.FormatInt(w.n, 10))
	switch p := w.rand.IntN(100); {
	case p < 25:
		a := frame.Subscribe{Ref: ref, Presence: w.rand.IntN(2) == 0}
		for _, r := range w.rooms() {
			a.Rooms = append(a.Rooms, frame.RoomAsk{Room: r, Since: w.since(), Last: max(0, w.rand.IntN(6)-4)})
		}
		return a
	case p < 40:
		return frame.Unsubscribe{Ref: ref, Rooms: w.rooms()}
	case p < 60:
		return frame.Publish{Ref: ref, Room: w.room(), Event: "e", Data: data, Durable: w.rand.IntN(2) == 0, Echo: w.rand.IntN(2) == 0}
	case p < 70:
		return frame.Call{Ref: ref, Event: "task:create", Data: data}
	case p < 72:
		return frame.Status{Ref: ref, Status: wire.Away}
	case p < 74:
		return frame.Roster{Ref: ref, Room: w.room()}
	case p < 75:
		return frame.Roster{Ref: ref, Users: []string{"bob"}}
	case p < 77:
		return frame.History{Ref: ref, Room: w.room(), Limit: 50}
	case p < 80:
		return frame.Typing{Ref: ref, Room: w.room(), Stopped: w.rand.IntN(3) == 0}
	case p < 84:
		return frame.Refresh{Ref: ref, Token: "u"}
	case p < 90:
		return frame.Auth{Ref: ref, Token: "t", Since: w.since()}
	case p < 95:
		return frame.Heartbeat{Ref: ref}
	case p < 97:
		return frame.Wrong{Ref: ref, Text: "wrong"}
	case p < 99 || w.rand.IntN(10) > 0:
		return frame.Malformed{Ref: ref, Text: "malformed"}
	}
	return frame.Broken{End: frame.NoBinary}
}

// who is an answer of authz about a token: mostly ann.
func (w *walk) who() wire.ConnectAnswer {
	switch w.rand.IntN(12) {
	case 0:
		return wire.ConnectAnswer{Code: wire.Unauthorized, Message: "no"}
	case 1:
		return wire.ConnectAnswer{Allow: true, User: "bob"}
	case 2:
		return annUntil(w.now.Add(time.Minute).UnixMilli())
	}
	return ann()
}

func (w *walk) pending() bool {
	return len(w.connects)+len(w.calls)+len(w.histories)+len(w.declares)+len(w.rosters)+len(w.appears)+len(w.joins)+len(w.looks)+len(w.changes) > 0 || w.storing
}

// problem is silence, seldom.
func (w *walk) problem() (p frame.Problem) {
	if w.rand.IntN(8) == 0 {
		p = silence()
	}
	return p
}

// answer lets one of those answer who were asked, in any order.
func (w *walk) answer() {
	switch w.rand.IntN(10) {
	case 0:
		if tag, ok := take(w.rand, &w.connects); ok {
			w.did("admitted", w.s.Admitted(w.now, tag, w.who(), w.problem()))
		}
	case 1:
		if ask, ok := take(w.rand, &w.joins); ok {
			w.decide(ask)
		}
	case 2:
		if ask, ok := take(w.rand, &w.looks); ok {
			found := make([]session.Found, len(ask.Rooms))
			for i := range found {
				found[i].Recovered = w.rand.IntN(2) == 0
				found[i].Replay = found[i].Recovered
			}
			w.did("looked", w.s.Looked(w.now, ask.Tag, found))
		}
	case 3:
		if tag, ok := take(w.rand, &w.calls); ok {
			w.did("replied", w.s.Replied(tag, json.RawMessage("{}"), w.problem()))
		}
	case 4:
		if tag, ok := take(w.rand, &w.histories); ok {
			w.did("remembered", w.s.Remembered(tag, frame.Past{}, w.problem()))
		}
	case 5:
		if ask, ok := take(w.rand, &w.changes); ok {
			p := w.problem()
			answer := w.rights(ask.Rooms, p)
			w.did(fmt.Sprintf("reconsidered %d %v %v", ask.Tag, answer, p), w.s.Reconsidered(ask.Tag, answer, p))
		}
	case 6:
		if tag, ok := take(w.rand, &w.declares); ok {
			w.did("declared", w.s.Declared(tag, w.problem()))
		}
	case 7:
		if tag, ok := take(w.rand, &w.rosters); ok {
			w.did("rostered", w.s.Rostered(tag, frame.Here{}, w.problem()))
		}
	case 8:
		if ask, ok := take(w.rand, &w.appears); ok {
			found := make([]session.Roster, len(ask.Rooms))
			for i := range found {
				found[i].Code = w.problem().Code
			}
			w.did("appeared", w.s.Appeared(ask.Tag, found))
		}
	case 9:
		if w.storing {
			w.storing = false
			w.did("stored", w.s.Stored(1, w.problem()))
		}
	}
}

// change lets rights change, or a backend put the client in or take it out.
func (w *walk) change() {
	r := room([]string{"task:1", "task:2", "task:3", "task:4", "task:5", "user:ann", "hub:all"}[w.rand.IntN(7)])
	switch w.rand.IntN(4) {
	case 0:
		todo, did := w.s.Join(r)
		w.put[r.String()] = w.put[r.String()] || did
		w.did("join "+r.String(), todo)
	case 1:
		todo, _ := w.s.Leave(r, "")
		w.did("leave "+r.String(), todo)
	default:
		tag, rooms := w.s.Touched(func(in subject.Room) bool { return r.Type == "hub" || in == r })
		if len(rooms) > 0 {
			w.changes = append(w.changes, session.AskJoin{Tag: tag, Rooms: rooms})
		}
		for _, in := range rooms {
			if (w.own(in.String()) || w.put[in.String()]) && !w.here[in.String()] {
				w.fail("authz is asked about %s, which is not the policy's", in)
			}
		}
	}
}

func (w *walk) decide(ask session.AskJoin) {
	p := w.problem()
	answer := w.rights(ask.Rooms, p)
	w.did(fmt.Sprintf("decided %d %v %v", ask.Tag, answer, p), w.s.Decided(ask.Tag, answer, p))
}

// rights is any answer about rooms. What it gives is noted, unless it comes with
// a problem.
func (w *walk) rights(rooms []subject.Room, p frame.Problem) map[string]wire.RoomRights {
	answer := map[string]wire.RoomRights{}
	for _, room := range rooms {
		r := wire.RoomRights{Allow: w.rand.IntN(6) > 0}
		for _, right := range []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.History, wire.Presence} {
			if w.rand.IntN(4) > 0 {
				r.Can = append(r.Can, right)
				if r.Allow && !p.Is() {
					w.given[room.String()+" "+string(right)] = true
				}
			}
		}
		answer[room.String()] = r
	}
	return answer
}

// take takes one out of a list, at random.
func take[T any](r *rand.Rand, list *[]T) (v T, ok bool) {
	l := *list
	if len(l) == 0 {
		return v, false
	}
	i := r.IntN(len(l))
	v = l[i]
	*list = append(l[:i], l[i+1:]...)
	return v, true
}

// own reports whether a room is one that the connection is in by itself.
func (w *walk) own(room string) bool {
	return room == subject.User(w.s.User()).String() || room == subject.All().String()
}
