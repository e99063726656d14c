package rights

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// counted answers joins when it is let, and counts them.
type counted struct {
	asked chan wire.JoinAsk
	let   chan struct{}
}

func countJoins(h *house) counted {
	c := counted{make(chan wire.JoinAsk, 64), make(chan struct{}, 64)}
	answers(h, "join", func(q wire.JoinAsk) wire.JoinAnswer {
		c.asked <- q
		<-c.let
		return allowed(q)
	})
	return c
}

// ask asks as a user with claims about rooms.
func (h *house) ask(user, text string, rooms ...string) <-chan frame.Problem {
	answered := make(chan frame.Problem, 2)
	h.Desk.Join(wire.JoinAsk{User: user, Claims: claims(text), Connection: "g-1", Rooms: rooms}, func(a map[string]wire.RoomRights, p frame.Problem) {
		for _, r := range rooms {
			if !p.Is() && !a[r].Allow {
				h.t.Errorf("%s is answered %+v about %s", user, a, r)
			}
		}
		answered <- p
	})
	return answered
}

// follow lets authz say whom changes touch: nobody, unless the test says so.
func (h *house) follow() { h.Desk.note(Change{}, wire.Marks{}, true) }

func TestTheSameQuestionIsAskedOnceAtATime(t *testing.T) {
	h := newHouse(t, Config{Check: time.Hour})
	await(t, "the first look at authz", h.changes)
	c := countJoins(h)
	h.follow()
	var all []<-chan frame.Problem
	for range 50 {
		all = append(all, h.ask("ann", `{"a":1,"b":2}`, "task:1", "task:2"))
	}
	all = append(all, h.ask("ann", `{"b":2,"a":1}`, "task:1", "task:2"), // the same claims
		h.ask("ann", `{"a":1}`, "task:1", "task:2"), h.ask("bob", `{"a":1,"b":2}`, "task:1", "task:2"), h.ask("ann", `{"a":1,"b":2}`, "task:1"))
	for range 4 {
		await(t, "a question", c.asked)
		c.let <- struct{}{}
	}
	for _, a := range all {
		if p := await(t, "an answer", a); p.Is() {
			t.Error(p)
		}
	}
	if n := len(c.asked); n != 0 {
		t.Errorf("%d more questions than the 4 that differ", n)
	}
}

func TestDecisionsAreKeptUntilAChangeTouchesThem(t *testing.T) {
	h := newHouse(t, Config{Check: time.Hour})
	await(t, "the first look at authz", h.changes)
	c := countJoins(h)
	for range 64 {
		c.let <- struct{}{}
	}
	step := func(what, user string, questions int, rooms ...string) {
		t.Helper()
		await(t, what, h.ask(user, `{}`, rooms...))
		if n := len(c.asked); n != questions {
			t.Errorf("%s: %d questions, want %d", what, n, questions)
		}
		for len(c.asked) > 0 {
			<-c.asked
		}
	}
	step("authz that tells of no changes is asked", "ann", 1, "task:1")
	step("each time", "ann", 1, "task:1")
	h.follow()
	step("one that does is asked", "ann", 1, "task:1", "task:2")
	step("once", "ann", 0, "task:1", "task:2")
	step("also about a part of it", "ann", 0, "task:2")
	step("but not about more", "ann", 1, "task:2", "task:3")
	step("another user is asked for", "bob", 1, "task:1")
	h.Desk.note(Of(wire.Touched{Users: []string{"ann"}}), wire.Marks{Relations: 7}, true)
	step("a change drops the user's", "ann", 1, "task:1")
	step("and nobody else's", "bob", 0, "task:1")
	h.Desk.note(Of(wire.Touched{Rooms: []string{"task:9"}}), wire.Marks{Relations: 8}, true)
	step("a change that names no users drops all", "bob", 1, "task:1")
	h.Gate.prove(h.nc.Stats().Reconnects, time.Now().Add(-time.Second))
	step("nothing counts while the buckets are not heard", "bob", 1, "task:1")
	h.Gate.prove(h.nc.Stats().Reconnects, time.Now().Add(time.Hour))
	h.Desk.note(Change{}, wire.Marks{}, false)
	step("nor when authz tells of changes no more", "bob", 1, "task:1")
}

func TestAnAnswerFromBeforeAChangeIsNotKeptNorGivenToOthers(t *testing.T) {
	h := newHouse(t, Config{Check: time.Hour})
	await(t, "the first look at authz", h.changes)
	c := countJoins(h)
	h.follow()
	early := h.ask("ann", `{}`, "task:1")
	await(t, "the first question", c.asked)
	h.Desk.note(Of(wire.Touched{Users: []string{"bob"}}), wire.Marks{Relations: 7}, true)
	late := h.ask("ann", `{}`, "task:1")
	if q := await(t, "the second question", c.asked); q.AtLeast == nil || q.AtLeast.Relations != 7 {
		t.Errorf("asked with at least %+v, want 7", q.AtLeast)
	}
	c.let <- struct{}{}
	c.let <- struct{}{}
	await(t, "the first answer", early)
	await(t, "the second answer", late)
}

func TestMembersAreAskedForManyAtOnce(t *testing.T) {
	h := newHouse(t, Config{})
	const members, rooms = 1700, 3
	sizes := make(chan int, members)
	answers(h, "joins", func(q wire.JoinsAsk) (a wire.JoinsAnswer) {
		sizes <- len(q.Asks)
		for _, one := range q.Asks {
			a.Answers = append(a.Answers, allowed(one))
		}
		return a
	})
	done := h.again(members, rooms)
	for range members {
		if p := await(t, "an answer", done); p.Is() {
			t.Fatal(p)
		}
	}
	var all []int
	for len(sizes) > 0 {
		all = append(all, <-sizes)
	}
	if slices.Max(all) > maxAsks || slices.Max(all) > maxRooms/rooms || len(all) > members/10 {
		t.Errorf("%d members are asked for in questions of %v", members, all)
	}
}

// again asks again for members, each of whom is in so many rooms.
func (h *house) again(members, rooms int) <-chan frame.Problem {
	done := make(chan frame.Problem, members)
	for i := range members {
		q := wire.JoinAsk{User: fmt.Sprintf("user%d", i), Claims: map[string]json.RawMessage{}, Connection: fmt.Sprintf("g-%d", i)}
		for r := range rooms {
			q.Rooms = append(q.Rooms, fmt.Sprintf("task:%d", r))
		}
		h.Desk.Again(q, func(a map[string]wire.RoomRights, p frame.Problem) {
			if !p.Is() && len(a) != rooms {
				h.t.Errorf("answered %v, want %d rooms", a, rooms)
			}
			done <- p
		})
	}
	return done
}

func TestAnAuthzThatTakesNoQuestionsForManyIsAskedForEach(t *testing.T) {
	h := newHouse(t, Config{})
	answers(h, "join", allowed)
	done := h.again(200, 2)
	for range 200 {
		if p := await(t, "an answer", done); p.Is() {
			t.Fatal(p)
		}
	}
}

func TestASilentAuthzIsAskedAgainForAWhile(t *testing.T) {
	h := newHouse(t, Config{Pause: 10 * time.Millisecond, Wait: time.Minute})
	first := make(chan struct{}, 1)
	first <- struct{}{}
	answers(h, "joins", func(q wire.JoinsAsk) (a wire.JoinsAnswer) {
		select {
		case <-first: // as many answers as nobody asked for: none that counts
			return wire.JoinsAnswer{Answers: make([]wire.JoinAnswer, len(q.Asks)+1)}
		default:
		}
		for _, one := range q.Asks {
			a.Answers = append(a.Answers, allowed(one))
		}
		return a
	})
	if p := await(t, "an answer", h.again(1, 1)); p.Is() {
		t.Errorf("%+v, want the answer that came at last", p)
	}
	quiet := newHouse(t, Config{Pause: 10 * time.Millisecond, Wait: 50 * time.Millisecond})
	if p := await(t, "the end of patience", quiet.again(1, 1)); p.Code != wire.Unavailable {
		t.Errorf("%+v, want unavailable", p)
	}
}
