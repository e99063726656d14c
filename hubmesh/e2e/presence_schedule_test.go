package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// presenceSchedule is one random story of who comes and goes.
type presenceSchedule struct {
	*parlour
	t      testing.TB
	rng    *rand.Rand
	seed   uint64
	story  []string // so far, printed when a guarantee is violated
	rooms  []string
	guests []*guest
	texts  int
	killed int
	began  bool // everything was restarted

	mu       sync.Mutex // guards all below and what is of guests
	errs     []string
	sights   []sight // that have ended
	most     map[whom]int
	exits    map[whom]int
	answered map[string]bool // connections for which presence has answered, while nothing was wrong
	graces   map[whom]grace
	hides    map[string]bool // users who were invisible
	unwell   map[place]bool  // killed, or cut off now
	faults   map[place]int   // how often what is told may have got a hole on its way there
}

// grace is when, and where, a user was last left by a connection that was lost.
type grace struct {
	at   place
	when time.Time
}

const (
	presenceUsers   = 5
	presenceDevices = 8
	presenceSteps   = 60
)

// prefix is how the names of the schedule's users begin.
func (s *presenceSchedule) prefix() string { return fmt.Sprintf("s%d-", s.seed) }

func newPresenceSchedule(t testing.TB, p *parlour, seed uint64, users, devices int) *presenceSchedule {
	t.Helper()
	s := &presenceSchedule{
		parlour: p, t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 6)),
		most: map[whom]int{}, exits: map[whom]int{}, answered: map[string]bool{}, graces: map[whom]grace{}, hides: map[string]bool{},
		unwell: map[place]bool{}, faults: map[place]int{},
	}
	for n := range 2 {
		s.rooms = append(s.rooms, fmt.Sprintf("task:%s%d", s.prefix(), n))
	}
	for n := range devices {
		user := fmt.Sprintf("%su%d", s.prefix(), n%users)
		s.guests = append(s.guests, &guest{s: s, user: user, name: fmt.Sprintf("%s's device %d", user, n), wants: map[string]bool{}, status: face{Status: "online"}})
	}
	return s
}

// mustHold tells the story and fails with it when it violates anything.
func (s *presenceSchedule) mustHold() {
	s.t.Helper()
	for _, g := range s.guests {
		s.backSomewhere(g)
	}
	for range presenceSteps {
		s.step()
	}
	err := s.conclude()
	for _, g := range s.guests {
		g.leave()
	}
	if err != nil {
		s.t.Fatalf("-seed %d violates what is promised:\n%v\nthe story:\n%s", s.seed, err, strings.Join(s.story, "\n"))
	}
}

func (s *presenceSchedule) tell(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

// fault is called under mu.
func (s *presenceSchedule) fault(format string, args ...any) {
	s.errs = append(s.errs, fmt.Sprintf(format, args...))
}

// step does one thing of those that can be done.
func (s *presenceSchedule) step() {
	g, room := s.guests[s.rng.IntN(len(s.guests))], s.rooms[s.rng.IntN(len(s.rooms))]
	switch n := s.rng.IntN(100); {
	case n < 22:
		s.enters(g, room)
	case n < 34:
		s.exitsFrom(g, room)
	case n < 46:
		s.backSomewhere(g)
	case n < 52:
		s.tell("%s: away", g.name)
		g.leave()
	case n < 64:
		s.says(g)
	case n < 68:
		s.kill()
	case n < 75:
		s.toggle(s.rng.IntN(len(s.replicas)))
	case n < 82:
		s.cutOrMend()
	case n < 86:
		s.stepDown()
	case n < 87:
		s.beginAnew()
	case n < 99:
		s.lull()
	default:
		s.mourn()
	}
}

// do has a guest do something, unless it is not connected.
func (s *presenceSchedule) do(g *guest, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.conn != nil {
		f()
	}
}

func (s *presenceSchedule) enters(g *guest, room string) {
	s.tell("%s: enter %s", g.name, room)
	s.do(g, func() {
		if !g.busy(room) {
			g.wants[room] = true
			g.enter(room)
		}
	})
}

func (s *presenceSchedule) exitsFrom(g *guest, room string) {
	s.tell("%s: leave %s", g.name, room)
	s.do(g, func() {
		if g.rooms[room] != nil && !g.busy(room) {
			g.exit(room)
		}
	})
}

func (s *presenceSchedule) says(g *guest) {
	s.texts++
	f := face{[]string{"online", "away", "busy", "invisible"}[s.rng.IntN(4)], fmt.Sprintf("n%d", s.texts)}
	s.tell("%s: says %v", g.name, f)
	s.do(g, func() { g.say(f) })
}

// backSomewhere breaks the connection and comes back, to whichever gateway
// takes the guest.
func (s *presenceSchedule) backSomewhere(g *guest) {
	all := s.places()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for first := s.rng.IntN(len(all)); ctx.Err() == nil; first++ {
		at := all[first%len(all)]
		if at == s.cut && s.isCut {
			continue // it would take its time to refuse
		}
		if g.back(ctx, at) {
			s.tell("%s: back at %s", g.name, at.ID())
			return
		}
	}
	s.t.Errorf("%s was let in by no gateway", g.name)
}

func (s *presenceSchedule) kill() {
	if s.killed == 2 {
		return
	}
	s.killed++
	i := s.rng.IntN(len(s.steady))
	s.tell("kill %s", s.steady[i].ID())
	s.ill(s.steady[i])
	s.mesh.Kill(s.steady[i])
	s.steady[i] = s.newborn()
	s.tell("start %s", s.steady[i].ID())
}

// ill notes that a gateway is killed or cut off now.
func (s *presenceSchedule) ill(at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwell[at] = true
	s.hole(at)
}

// hole notes that what is told may not come to a gateway whole. It is called
// under mu.
func (s *presenceSchedule) hole(at place) {
	s.faults[at]++
	for _, g := range s.guests {
		if g.at != at {
			continue
		}
		for _, one := range g.rooms {
			one.holes = true
		}
	}
}

func (s *presenceSchedule) well(at place) bool { return !s.unwell[at] }

func (s *presenceSchedule) toggle(i int) {
	if s.replicas[i] == nil {
		s.tell("start replica %d", i)
		s.replicas[i] = s.newReplica()
		return
	}
	s.tell("kill replica %d", i)
	s.replicas[i].kill()
	s.replicas[i] = nil
}

func (s *presenceSchedule) cutOrMend() {
	if s.isCut {
		s.tell("mend the NATS of %s", s.cut.ID())
		s.mend()
		s.mu.Lock()
		delete(s.unwell, s.cut)
		s.mu.Unlock()
		return
	}
	s.outlast = s.rng.IntN(2) == 0
	s.tell("cut the NATS of %s; for longer than its lease: %v", s.cut.ID(), s.outlast)
	s.ill(s.cut)
	s.isCut = true
	s.wire.Cut()
}

func (s *presenceSchedule) stepDown() {
	if s.nodes == nil {
		return
	}
	tree := subject.Tree{}
	all := []string{tree.BucketStream(subject.Here), tree.Stream(subject.Tellings), tree.BucketStream(subject.Gateways), tree.Stream(subject.Clients)}
	of := all[s.rng.IntN(len(all))]
	s.tell("the leader of %s steps down", of)
	s.mu.Lock()
	for _, at := range s.places() {
		s.hole(at)
	}
	s.mu.Unlock()
	s.nodes.StepDown(of)
}

// beginAnew restarts everything on what is on disk, once a story.
func (s *presenceSchedule) beginAnew() {
	if s.nodes != nil || s.began {
		return
	}
	s.began = true
	well := s.rng.IntN(2) == 0
	s.tell("restart everything; well: %v", well)
	for _, at := range s.places() {
		s.ill(at)
	}
	s.restart(well)
	for _, g := range s.guests {
		s.backSomewhere(g)
	}
}

// lull waits until those are answered whose gateways are well.
func (s *presenceSchedule) lull() {
	s.tell("a lull")
	until(s.t, patience, func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for _, g := range s.guests {
			if g.conn != nil && s.well(g.at) {
				n += len(g.asked)
			}
		}
		return n
	}, func(n int) bool { return n == 0 })
}

// mourn waits until a user has left for good who has no connection.
func (s *presenceSchedule) mourn() {
	if s.replicas == [2]*replica{} || s.isCut {
		return
	}
	for _, g := range s.guests {
		with := func(other *guest) bool { return other.user == g.user && other.conn != nil }
		s.mu.Lock()
		here := slices.ContainsFunc(s.guests, with)
		s.mu.Unlock()
		if here {
			continue
		}
		s.tell("mourn %s", g.user)
		until(s.t, patience, func() people {
			words, _ := s.witness.of(s.prefix())
			all := people{}
			for _, w := range words {
				if w.room == "" {
					_ = all.take(w) // judged in the end
				}
			}
			return all
		}, func(all people) bool { _, there := all[g.user]; return !there })
		return
	}
}
