package session_test

import (
	"maps"
	"slices"
	"strconv"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// did holds what came of a step to the rules.
func (w *walk) did(what string, todo []session.Do) {
	w.t.Helper()
	w.log = append(w.log, what)
	if w.over && len(todo) > 0 {
		w.fail("after the end: %v", showAll(todo))
	}
	for i, do := range todo {
		w.log = append(w.log, "\t"+show(do))
		if w.over {
			w.fail("Close is not the last of %v", showAll(todo))
		}
		w.rule(do)
		_, w.over = do.(session.Close)
		if w.over && i != len(todo)-1 {
			w.fail("Close is not the last of %v", showAll(todo))
		}
	}
	if w.over != w.s.Over() {
		w.fail("Over() = %v, and Close was seen: %v", w.s.Over(), w.over)
	}
	if n := len(w.calls) + len(w.histories) + len(w.declares) + len(w.rosters); n > w.cfg.MaxCalls {
		w.fail("%d calls are under way, want at most %d", n, w.cfg.MaxCalls)
	}
	if len(w.in)-len(w.put) > w.cfg.MaxRooms {
		w.fail("the client is in %v, of which a backend put it into %v, want at most %d by itself", w.in, w.put, w.cfg.MaxRooms)
	}
}

func (w *walk) rule(do session.Do) {
	w.t.Helper()
	switch d := do.(type) {
	case session.Say:
		w.said(d.Out)
	case session.AskConnect:
		w.connects = append(w.connects, d.Tag)
	case session.AskJoin:
		if len(d.Rooms) == 0 || len(d.Rooms) > w.cfg.MaxRooms {
			w.fail("authz is asked about %d rooms, want 1 to %d", len(d.Rooms), w.cfg.MaxRooms)
		}
		w.joins = append(w.joins, d)
	case session.Greet:
		if w.let {
			w.fail("greeted twice")
		}
		w.let = true
		for _, o := range d.Then {
			w.said(o)
		}
	case session.Look:
		if len(d.Rooms) == 0 {
			w.fail("a look at nothing")
		}
		w.looks = append(w.looks, d)
	case session.Enter:
		w.entered(d)
	case session.Appear:
		for _, r := range d.Rooms {
			if w.here[r.String()] = true; !w.given[r.String()+" "+string(wire.Presence)] {
				w.fail("in the roster of %s without the right", r)
			}
		}
		w.appears = append(w.appears, d)
	case session.Vanish:
		if !w.here[d.Room.String()] {
			w.fail("out of the roster of %s without being in it", d.Room)
		}
		delete(w.here, d.Room.String())
	case session.Watch:
		w.fail("watches %s: there is no such room here but its own", d.Room)
	case session.Declare:
		w.declares = append(w.declares, d.Tag)
	case session.AskRoster:
		if !w.given[d.Room.String()+" "+string(wire.Presence)] {
			w.fail("who is in %s is asked without the right", d.Room)
		}
		w.rosters = append(w.rosters, d.Tag)
	case session.AskUsers:
		w.rosters = append(w.rosters, d.Tag)
	case session.Put:
		if !w.own(d.Room.String()) {
			w.in[d.Room.String()] = true
		}
	case session.Expel:
		if !w.in[d.Room.String()] {
			w.fail("told to have left %s without being in it", d.Room)
		}
		delete(w.in, d.Room.String())
		delete(w.put, d.Room.String())
		delete(w.here, d.Room.String())
		if w.own(d.Room.String()) {
			w.fail("%s is left", d.Room)
		}
	case session.Leave:
		for _, r := range d.Rooms {
			delete(w.in, r.String())
			delete(w.put, r.String())
			delete(w.here, r.String())
			if w.own(r.String()) {
				w.fail("%s is left", r)
			}
		}
	case session.Store:
		if w.storing {
			w.fail("two events are being stored")
		}
		w.storing = true
		w.went("durable", d.Event, wire.Publish)
	case session.Signal:
		if !d.Own {
			w.answered(d.Ref)
		}
		if d.Event.Name != "e" {
			if !w.given[d.Room.String()+" "+string(wire.Signal)] {
				w.fail("%s is told who writes without the right to signal", d.Room)
			}
			return
		}
		w.went("signal", d.Event, wire.Signal)
	case session.History:
		if !w.given[d.Room.String()+" "+string(wire.History)] {
			w.fail("the past of %s is read without the right", d.Room)
		}
		w.histories = append(w.histories, d.Tag)
	case session.Ask:
		w.calls = append(w.calls, d.Tag)
	case session.Beat:
		w.answered(d.Ref)
	case session.Close:
	}
}

// said holds what the client is told to be an answer, unless it is an event or
// the last word about the token.
func (w *walk) said(o frame.Out) {
	w.t.Helper()
	switch o := o.(type) {
	case frame.Ack:
		w.answered(o.Ref)
		if _, left := w.asked[o.Ref.N].(frame.Unsubscribe); left {
			w.unsubscribed(o.Ref.N)
		}
	case frame.Refused:
		if o.Ref.N != 0 {
			w.answered(o.Ref)
		}
	case frame.Event, frame.Connected:
	}
}

func (w *walk) answered(ref frame.Ref) {
	w.t.Helper()
	if !w.open[ref.N] {
		w.fail("ask %d is answered, which was never asked or was answered before", ref.N)
	}
	delete(w.open, ref.N)
}

func (w *walk) unsubscribed(n int64) {
	a, ok := w.asked[n].(frame.Unsubscribe)
	if !ok {
		return
	}
	for _, room := range a.Rooms {
		w.left[room] = n
		if w.in[room] {
			w.fail("ask %d left %s, and the client is in it", n, room)
		}
	}
}

// entered holds a subscribe's answer to be whole: each room named is entered
// or denied, and entered only with a right and when it was not left since.
func (w *walk) entered(d session.Enter) {
	w.t.Helper()
	w.answered(d.Ref)
	a, ok := w.asked[d.Ref.N].(frame.Subscribe)
	if !ok {
		w.fail("ask %d is no subscribe and is answered as one", d.Ref.N)
	}
	named, told := map[string]bool{}, map[string]bool{}
	for _, r := range a.Rooms {
		named[r.Room] = true
	}
	into := map[string]bool{}
	for _, r := range d.Rooms {
		into[r.String()] = true
	}
	for _, r := range d.Replays {
		into[r.Room.String()] = true
	}
	for _, r := range d.Reply.Rooms {
		told[r.Room] = true
		w.rosterTold(d, a, r)
		switch {
		case !into[r.Room]:
			w.fail("told to be in %s and not entered", r.Room)
		case w.own(r.Room):
			continue
		case w.left[r.Room] > d.Ref.N:
			w.fail("ask %d enters %s, which ask %d left", d.Ref.N, r.Room, w.left[r.Room])
		case !w.given[r.Room+" "+string(wire.Subscribe)] && !w.put[r.Room]:
			w.fail("%s is entered without the right", r.Room)
		}
		w.in[r.Room] = true
	}
	if len(into) != len(told) {
		w.fail("entered %v and told %v", into, told)
	}
	for _, r := range d.Reply.Denied {
		if told[r.Room] && r.Room != "nope" {
			w.fail("%s is told twice", r.Room)
		}
		told[r.Room] = true
	}
	if !maps.Equal(named, told) {
		w.fail("asked for %v, told of %v", slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(told)))
	}
}

// rosterTold holds what an ack says of a room's roster to what was asked: that it
// is there or why not, and that the client hears of those whom it may know.
func (w *walk) rosterTold(d session.Enter, a frame.Subscribe, r frame.Entered) {
	w.t.Helper()
	hears := slices.ContainsFunc(d.Here, func(in subject.Room) bool { return in.String() == r.Room })
	if a.Presence != (r.Presence != nil || r.NoPresence != "") || r.Presence != nil && r.NoPresence != "" {
		w.fail("%s with presence %v is told %v, %q", r.Room, a.Presence, r.Presence, r.NoPresence)
	}
	if hears && !w.here[r.Room] || r.Presence != nil && !hears {
		w.fail("%s: told %v, hears of those there: %v, is in the roster: %v", r.Room, r.Presence, hears, w.here[r.Room])
	}
}

// went holds publishes of a kind to the order in which they were asked.
func (w *walk) went(lane string, e frame.Event, right wire.Right) {
	w.t.Helper()
	n, err := strconv.ParseInt(string(e.Data), 10, 64)
	if err != nil || n <= w.last[lane] {
		w.fail("publish %s goes out after %d", e.Data, w.last[lane])
	}
	w.last[lane] = n
	if !w.given[e.Room+" "+string(right)] {
		w.fail("%s is published to without the right to %s", e.Room, right)
	}
}
