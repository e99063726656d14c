package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// schedule is one random story.
type schedule struct {
	*house
	t      testing.TB
	rng    *rand.Rand
	seed   uint64
	told   []string // the story so far, printed when a guarantee is violated
	rooms  []string
	actors []*actor
	slow   map[*actor]bool
	ledger ledger
	events int

	places  []place // that can be killed
	replace func(place) place
	cut     place          // nil: none can be cut off
	wire    *natstest.Wire // of cut
	mended  bool
	nodes   *natstest.Nodes // nil: one server, that nobody leads
	killed  int
}

const (
	actorsOf  = 5
	stepsOf   = 60
	fillBytes = 3000
)

// story runs a random schedule in a house, and reports what it violated.
func (s *schedule) story() (err error) {
	s.rng = rand.New(rand.NewPCG(s.seed, 4))
	for n := range 3 {
		s.rooms = append(s.rooms, fmt.Sprintf("task:%d-%d", s.seed, n))
	}
	s.slow, s.mended = map[*actor]bool{}, true
	for n := range actorsOf {
		a := newActor(s.t, fmt.Sprintf("user%d-%d", s.seed, n), &s.ledger)
		s.actors = append(s.actors, a)
		s.backSomewhere(a)
	}
	defer func() {
		for _, a := range s.actors {
			s.quick(a)
			a.leave()
		}
	}()
	for range stepsOf {
		s.step()
	}
	return s.end()
}

// mustHold runs the story and fails with it when it violates anything.
func (s *schedule) mustHold() {
	s.t.Helper()
	if err := s.story(); err != nil {
		s.t.Fatalf("-seed %d violates what is promised:\n%v\nthe story:\n%s", s.seed, err, strings.Join(s.told, "\n"))
	}
}

func (s *schedule) tell(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

// step does one thing of those that can be done.
func (s *schedule) step() {
	a := s.actors[s.rng.IntN(len(s.actors))]
	room := s.rooms[s.rng.IntN(len(s.rooms))]
	switch n := s.rng.IntN(100); {
	case n < 30:
		s.publish(room, 1+s.rng.IntN(20), s.rng.IntN(fillBytes))
	case n < 35:
		s.publish("hub:all", 1+s.rng.IntN(3), 10)
	case n < 50:
		s.enters(a, room)
	case n < 56:
		s.leaves(a, room)
	case n < 68:
		s.posts(a, room)
	case n < 76:
		s.tell("%s: heartbeat", a.name)
		a.do(func() { a.ask("heartbeat", nil, wish{}) })
	case n < 86:
		s.quick(a)
		s.backSomewhere(a)
	case n < 90:
		s.tell("%s: slow", a.name)
		if !s.slow[a] {
			s.slow[a] = true
			a.gate.Lock()
		}
		s.publish(room, 100, fillBytes)
	case n < 92:
		s.quick(a)
	case n < 94:
		s.kill()
	case n < 97:
		s.cutOrMend()
	default:
		s.stepDown()
	}
}

func (s *schedule) enters(a *actor, room string) {
	s.tell("%s: enter %s", a.name, room)
	a.do(func() {
		a.wants[room] = true
		if a.open[room] == nil && !a.busy(room) {
			a.join(room)
		}
	})
}

func (s *schedule) leaves(a *actor, room string) {
	s.tell("%s: leave %s", a.name, room)
	a.do(func() {
		if a.open[room] != nil && !a.busy(room) {
			delete(a.wants, room)
			a.ask("unsubscribe", map[string][]string{"rooms": {room}}, wish{room: room})
		}
	})
}

func (s *schedule) posts(a *actor, room string) {
	s.tell("%s: publish to %s", a.name, room)
	a.do(func() {
		a.posts++
		p := post{room: room, key: fmt.Sprintf("%s.%d", a.name, a.posts)}
		a.sure[p.key] = p
		a.publish(p)
	})
}

func (s *schedule) quick(a *actor) {
	if s.slow[a] {
		s.tell("%s: quick again", a.name)
		delete(s.slow, a)
		a.gate.Unlock()
	}
}

// backSomewhere breaks the connection and comes back, to whichever gateway
// takes the actor.
func (s *schedule) backSomewhere(a *actor) {
	all := s.places
	if s.cut != nil {
		all = append([]place{s.cut}, all...)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for first := s.rng.IntN(len(all)); ctx.Err() == nil; first++ {
		g := all[first%len(all)]
		if a.back(ctx, g) {
			s.tell("%s: back at %s", a.name, g.ID())
			return
		}
		s.tell("%s: refused by %s", a.name, g.ID())
	}
	s.ledger.fault("%s was let in by no gateway", a.name)
}

func (s *schedule) kill() {
	if s.killed == 2 {
		return
	}
	s.killed++
	i := s.rng.IntN(len(s.places))
	s.tell("kill %s", s.places[i].ID())
	s.places[i] = s.replace(s.places[i])
	s.tell("start %s", s.places[i].ID())
}

func (s *schedule) cutOrMend() {
	if s.wire == nil {
		return
	}
	if s.mended = !s.mended; s.mended {
		s.tell("mend the NATS of %s", s.cut.ID())
		s.wire.Mend()
		return
	}
	s.tell("cut the NATS of %s", s.cut.ID())
	s.wire.Cut()
}

func (s *schedule) stepDown() {
	if s.nodes != nil {
		s.tell("the stream's leader steps down")
		s.nodes.StepDown(subject.Tree{}.Stream(subject.Events))
	}
}

// publish has a backend publish events, and returns when all are acked: it
// tries again under the same id, as a backend should.
func (s *schedule) publish(room string, count, fill int) {
	s.tell("%d events of %d bytes to %s", count, fill, room)
	r, err := subject.ParseRoom(room)
	if err != nil {
		s.t.Fatal(err)
	}
	type sent struct {
		msg *nats.Msg
		ack jetstream.PubAckFuture
	}
	var all []sent
	for range count {
		s.events++
		id := fmt.Sprintf("backend.%d.%d", s.seed, s.events)
		body, err := json.Marshal(map[string]string{"id": id, "fill": strings.Repeat("x", fill)})
		if err != nil {
			s.t.Fatal(err)
		}
		m := &nats.Msg{Subject: subject.Tree{}.Event(r), Data: body, Header: nats.Header{nats.MsgIdHdr: {id}}}
		f, err := s.js.PublishMsgAsync(m)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, sent{m, f})
	}
	for _, one := range all {
		var ack *jetstream.PubAck
		select {
		case ack = <-one.ack.Ok():
		case <-one.ack.Err(): //nolint:errcheck // whatever it is, it is tried again
			ack = s.again(one.msg)
		}
		s.ledger.mu.Lock()
		s.ledger.promises = append(s.ledger.promises, promise{room, fact{offset: ack.Sequence, id: one.msg.Header.Get(nats.MsgIdHdr)}, ""})
		s.ledger.mu.Unlock()
	}
}

// again publishes until there is an ack.
func (s *schedule) again(m *nats.Msg) *jetstream.PubAck {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		once, stop := context.WithTimeout(ctx, time.Second)
		ack, err := s.js.PublishMsg(once, m)
		stop()
		switch {
		case err == nil:
			return ack
		case ctx.Err() != nil:
			s.t.Fatalf("publish to %s: %v", m.Subject, err)
		}
	}
}

// end has everybody come back and hear the last, and checks what all heard.
func (s *schedule) end() error {
	if !s.mended {
		s.cutOrMend()
	}
	for _, a := range s.actors {
		s.quick(a)
		s.backSomewhere(a)
	}
	for _, a := range s.actors {
		s.settled(a)
	}
	last := map[string]uint64{}
	for _, room := range append([]string{"hub:all"}, s.rooms...) {
		s.publish(room, 1, 0)
		s.ledger.mu.Lock()
		last[room] = s.ledger.promises[len(s.ledger.promises)-1].offset
		s.ledger.mu.Unlock()
	}
	for _, a := range s.actors {
		s.heardAll(a, last)
		a.leave()
	}
	return s.verdict(last)
}

// settled waits until nothing that the actor asked is unanswered. An actor
// whose room was refused, or whose connection ended, comes back for it.
func (s *schedule) settled(a *actor) {
	for range 10 {
		late := time.NewTimer(patience)
		tick := time.NewTicker(5 * time.Millisecond)
		for open := true; open; {
			a.mu.Lock()
			open = a.conn != nil && len(a.asked) > 0
			a.mu.Unlock()
			select {
			case <-tick.C:
			case <-late.C:
				s.ledger.fault("%s waits for an answer for %v: %v", a.name, patience, a.asked)
				return
			}
		}
		tick.Stop()
		late.Stop()
		a.mu.Lock()
		done := a.conn != nil && len(a.sure) == 0
		for room := range a.wants {
			done = done && a.open[room] != nil
		}
		a.mu.Unlock()
		if done {
			return
		}
		s.backSomewhere(a)
	}
	s.ledger.fault("%s was not let in and stayed", a.name)
}

// heardAll waits until the actor has heard the last event of each room it is in.
func (s *schedule) heardAll(a *actor, last map[string]uint64) {
	late := time.NewTimer(patience)
	defer late.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done := true
		a.mu.Lock()
		for room, in := range a.open {
			if n := len(in.heard); last[room] != 0 && (n == 0 || in.heard[n-1].offset < last[room]) {
				done = false
			} else {
				in.all = true
			}
		}
		ended := a.conn == nil
		a.mu.Unlock()
		if done && !ended {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			a.mu.Lock()
			for _, in := range a.open {
				in.all = true // what it lacks is told by the check
			}
			s.ledger.fault("%s has not heard the last event of each of its rooms in %v; connected: %v", a.name, patience, !ended)
			a.mu.Unlock()
			return
		}
	}
}

// verdict holds what was heard and acked against what is stored.
func (s *schedule) verdict(last map[string]uint64) error {
	held := truth{}
	for room, upTo := range last {
		for _, e := range s.read(room, 0, upTo) {
			held[room] = append(held[room], fact{offset: e.Seq, id: idOf(e.Data), except: e.Header.Get(wire.HeaderExcept)})
		}
	}
	var errs []error
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	for _, f := range s.ledger.faults {
		errs = append(errs, errors.New(f))
	}
	for _, one := range s.ledger.spans {
		if err := held.check(one); err != nil {
			errs = append(errs, err)
		}
	}
	var mine []promise
	for _, p := range s.ledger.promises {
		if p.room != "hub:all" { // which all stories share
			mine = append(mine, p)
		}
	}
	delete(held, "hub:all")
	return errors.Join(append(errs, held.kept(mine))...)
}
