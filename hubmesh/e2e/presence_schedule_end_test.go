package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// covered notes that a user is in a room now, by another connection or in
// grace, and returns what tells afterwards whether that was so all the time. It
// is called under mu, and so is what it returns.
func (s *presenceSchedule) covered(who whom) func() bool {
	exits, lost := s.exits[who], s.graces[who]
	for _, g := range s.guests {
		one := g.rooms[who.room]
		if g.user == who.user && one != nil && one.shown != nil && g.wants[who.room] && s.well(g.at) {
			return func() bool { return g.rooms[who.room] == one && s.exits[who] == exits && s.well(g.at) }
		}
	}
	const sure = 4500 * time.Millisecond // of the 5 s
	return func() bool {
		return lost.at != nil && s.exits[who] == exits && s.well(lost.at) && time.Since(lost.when) < sure
	}
}

// conclude ends all faults, has some come back and some stay away, and judges
// what is and what was told.
func (s *presenceSchedule) conclude() error {
	s.tell("the end")
	if s.isCut {
		s.cutOrMend()
	}
	for i, r := range s.replicas {
		if r == nil {
			s.toggle(i)
		}
	}
	for _, g := range s.guests {
		if s.rng.IntN(4) == 0 {
			s.tell("%s: away", g.name)
			g.leave()
		} else {
			s.backSomewhere(g)
		}
	}
	s.settle()
	s.lastWords()
	for _, room := range s.rooms {
		if err := s.right(room, s.roll(room)); err != nil {
			return err
		}
	}
	s.sightsAreRight()
	s.witness.caughtUp(s.house)
	return s.verdict()
}

// settle waits until each guest is where it wants to be, and presence knows all
// that gateways have to report.
func (s *presenceSchedule) settle() {
	s.t.Helper()
	until(s.t, patience, func() []string {
		var open []string
		for _, g := range s.guests {
			s.mu.Lock()
			away := g.conn == nil && g.ended != nil
			if !away && !g.done() {
				open = append(open, g.String())
			}
			s.mu.Unlock()
		}
		return open
	}, func(open []string) bool { return len(open) == 0 })
	until(s.t, patience, func() float64 { return metric(s.kit(), "hubmesh_gateway_owed_connections", "") }, func(owed float64) bool { return owed == 0 })
}

// lastWords has one device of each user say how he is.
func (s *presenceSchedule) lastWords() {
	s.t.Helper()
	said := map[string]face{}
	for _, g := range s.guests {
		s.mu.Lock()
		f, again := said[g.user]
		here := g.conn != nil
		if !again && here {
			s.texts++
			f = face{[]string{"online", "away", "busy", "invisible"}[s.rng.IntN(4)], fmt.Sprintf("n%d", s.texts)}
			said[g.user] = f
			s.tell("%s: says %v", g.name, f)
			g.say(f)
		}
		s.mu.Unlock()
		if again || !here {
			continue
		}
		until(s.t, patience, func() face {
			s.mu.Lock()
			defer s.mu.Unlock()
			if g.status != f && len(g.asked) == 0 {
				g.say(f) // presence was silent
			}
			return g.status
		}, func(now face) bool { return now == f })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.guests {
		g.status = said[g.user]
	}
}

// roll is the truth: who is in a room.
func (s *presenceSchedule) roll(room string) roll {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := roll{}
	for _, g := range s.guests {
		if g.conn != nil && g.wants[room] {
			r[g.user] = seat{g.status, r[g.user].connections + 1}
		}
	}
	return r
}

// right waits until each replica, and each gateway, says that just these are in
// a room.
func (p *parlour) right(room string, is roll) error {
	p.t.Helper()
	want := is.visible()
	counts := wire.PresenceCounts{Users: len(want), Connections: want.connections()}
	err := errors.Join(
		everyReplica(p, "room", room, func(a wire.PresenceRoomAnswer) bool { return want.equal(a.Users) && a.Counts == counts }),
		everyReplica(p, "count", room, func(a wire.PresenceCounts) bool { return a == counts }),
	)
	for _, g := range p.places() {
		err = errors.Join(err, p.rightAt(g, room, is))
	}
	if err != nil {
		return fmt.Errorf("want %v: %w", want, err)
	}
	return nil
}

// equal reports whether an answer has just these.
func (r roll) equal(users []wire.PresenceUser) bool {
	got := roll{}
	for _, u := range users {
		got[u.User] = seat{face{u.Status, u.Text}, u.Connections}
	}
	return len(users) == len(r) && maps.Equal(got, r)
}

// eventually asks until it is true, and reports false when that takes too long.
func eventually(ask func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); !ask(); <-tick.C {
		if time.Since(begun) > patience {
			return false
		}
	}
	return true
}

// everyReplica asks of a room until each replica that lives, of those that
// answer in turn, has given the right answer last.
func everyReplica[Out any](p *parlour, endpoint, room string, right func(Out) bool) error {
	var wrong [2]string
	var before [2]float64
	good := [2]bool{p.replicas[0] == nil, p.replicas[1] == nil}
	if eventually(func() bool {
		for i, r := range p.replicas {
			before[i] = r.answers(endpoint)
		}
		out, err := natsconn.Call[Out](p.t.Context(), p.nc, subject.Tree{}.Svc(subject.Presence, endpoint), map[string]string{"room": room})
		for i, r := range p.replicas {
			if r.answers(endpoint) > before[i] {
				good[i], wrong[i] = err == nil && right(out), fmt.Sprintf("%+v, %v", out, err)
			}
		}
		return good == [2]bool{true, true}
	}) {
		return nil
	}
	return fmt.Errorf("%s says of %s: replica 0 %s, right: %v; replica 1 %s, right: %v", endpoint, room, wrong[0], good[0], wrong[1], good[1])
}

// sightsAreRight waits until each guest sees who is there; what is wrong when
// the wait is over is told by the verdict.
func (s *presenceSchedule) sightsAreRight() {
	is := map[string]people{}
	for _, room := range s.rooms {
		is[room] = s.roll(room).people()
	}
	eventually(func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, g := range s.guests {
			for room, one := range g.rooms {
				if sees, _ := one.sees(); !sees.same(is[room], g.user) {
					return false
				}
			}
		}
		return true
	})
}

// verdict holds what was heard against what was told, and what was told against
// what was done.
func (s *presenceSchedule) verdict() error {
	marks, users := s.marks(s.prefix())
	words, whole := s.witness.of(s.prefix())
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, all := range marks {
		again, _ := lived(all, false) // whether it ends once is judged when it has ended
		for _, room := range append([]string{""}, s.rooms...) {
			s.most[whom{room, users[conn]}] += again
		}
	}
	var errs []error
	for _, text := range s.errs {
		errs = append(errs, errors.New(text))
	}
	if whole {
		errs = append(errs, announced(words, s.most))
	}
	for _, g := range s.guests {
		for room, one := range g.rooms {
			one.last = true
			g.shut(room)
		}
	}
	for _, room := range s.rooms {
		var told []word
		if whole {
			told = slices.DeleteFunc(slices.Clone(words), func(w word) bool { return w.room != room })
			if told == nil {
				told = []word{}
			}
		}
		is := roll{}
		for _, g := range s.guests {
			if g.conn != nil && g.wants[room] {
				is[g.user] = seat{face: g.status}
			}
		}
		for _, one := range s.sights {
			if one.room == room {
				errs = append(errs, one.check(told, is.people()))
			}
		}
	}
	return errors.Join(errs...)
}

// over fails unless nobody is left of schedules that have ended, and each of
// their connections has begun and ended once.
func (p *parlour) over(all []*presenceSchedule) {
	p.t.Helper()
	for _, s := range all {
		for _, room := range s.rooms {
			if err := p.right(room, roll{}); err != nil {
				p.t.Errorf("-seed %d: %s after all have gone: %v\nthe story:\n%s", s.seed, room, err, strings.Join(s.story, "\n"))
			}
		}
		p.eachEndedOnce(s)
	}
}

// eachEndedOnce waits until each connection of a schedule has begun and ended
// once.
func (p *parlour) eachEndedOnce(s *presenceSchedule) {
	p.t.Helper()
	var errs []error
	eventually(func() bool {
		marks, _ := p.marks(s.prefix())
		errs = nil
		for conn, one := range marks {
			if _, err := lived(one, s.answered[conn]); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", conn, err))
			}
		}
		return len(errs) == 0
	})
	if err := errors.Join(errs...); err != nil {
		p.t.Errorf("-seed %d: %v\nthe story:\n%s", s.seed, err, strings.Join(s.story, "\n"))
	}
}
