package here_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestTenThousandConnectionsAreSomeTensOfReports(t *testing.T) {
	h := newHouse(t, patience)
	p := h.begins()
	const many = 10_000
	for i := range many {
		h.open(fmt.Sprint("g1-", i), "ann")
	}
	p.until(t, "all connections", func() bool { return len(p.stands) == many })
	if n := len(p.reports); n > many/50 {
		t.Errorf("%d connections were %d reports, want some tens", many, n)
	}
	t.Logf("%d reports", len(p.reports))
}

func TestAConnectionIsReportedAsItChanges(t *testing.T) {
	h := newHouse(t, patience)
	p := h.begins()
	h.epochs()
	c := h.open("g1-1", "ann")
	h.appear(c)
	said := make(chan frame.Problem, 1)
	h.Say(c.Conn, wire.UserStatus{Status: wire.Away, Data: []byte(`"` + strings.Repeat("<", 1000) + `"`)}, func(p frame.Problem) { said <- p })
	if got := <-said; got.Is() {
		t.Errorf("Say: %v", got)
	}
	h.Inform(c.Conn, []byte(`{"name":"Ann"}`))
	h.Inform(c.Conn, []byte(`"`+strings.Repeat("x", 1100)+`"`)) // too much to be shown
	h.Leave(c.Conn, []subject.Room{task()})
	h.End(c.Conn, "closed")
	if owed := h.Drained(t.Context()); owed > 0 {
		t.Errorf("Drained() = %d, want nothing owed", owed)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stands["g1-1"]
	if s.User != "ann" || s.Door != "native" || s.IP != "192.0.2.1" || s.Since == 0 || s.Info != nil || len(s.Rooms) > 0 ||
		s.Status.Status != wire.Away || s.End == nil || !s.End.Grace || s.End.Reason != "closed" {
		t.Errorf("in the end it stands as %+v", s)
	}
	if p.raw > 2000 {
		t.Errorf("data of 1002 bytes made a report of %d: it is more than was measured", p.raw)
	}
	for i, r := range p.reports {
		if r.Gateway != "g1" || len(r.Connections) != 1 || r.Connections[0].First != (i == 0) {
			t.Errorf("report %d is %+v", i, r)
		}
	}
}

func TestWhatPresenceDoesNotTakeIsReportedAgain(t *testing.T) {
	h := newHouse(t, patience)
	p := h.begins()
	p.failing = true
	c := h.open("g1-1", "ann")
	p.until(t, "three tries", func() bool { return len(p.reports) >= 3 })
	p.mu.Lock()
	p.failing = false
	p.mu.Unlock()
	said := make(chan frame.Problem, 1)
	h.Say(c.Conn, wire.UserStatus{Status: wire.Busy}, func(p frame.Problem) { said <- p })
	if got := <-said; got.Is() {
		t.Errorf("Say: %v", got)
	}
}

func TestWhileNobodyAnswersNobodyWaitsAndNothingIsForgotten(t *testing.T) {
	h := newHouse(t, patience) // longer than the test: who is told, is told at once
	c, gone := h.open("g1-1", "ann"), h.open("g1-2", "bob")
	if s := h.appear(c); s.Code != wire.Unavailable {
		t.Errorf("Appear: %q, want unavailable", s.Code)
	} else if !h.Enter(s) {
		t.Error("Enter without a roster = false")
	}
	said := make(chan frame.Problem, 1)
	h.Say(c.Conn, wire.UserStatus{Status: wire.Busy}, func(p frame.Problem) { said <- p })
	if got := <-said; got.Code != wire.Unavailable {
		t.Errorf("Say: %v, want unavailable", got)
	}
	h.End(gone.Conn, "closed")
	if owed := h.Drained(t.Context()); owed != 2 {
		t.Errorf("Drained() = %d where nobody listens, want 2 owed", owed)
	}
	p := h.begins()
	p.until(t, "both connections", func() bool { return len(p.stands) == 2 })
	s, bob := p.stands["g1-1"], p.stands["g1-2"]
	if !s.First || len(s.Rooms) != 1 || s.Status.Status != wire.Busy || !s.Fresh || bob.End == nil {
		t.Errorf("reported are %+v and %+v", s, bob)
	}
	h.word("eve", wire.Joined)
	c.hears(`presence:update task:42`, `"user":"eve"`)
}

func TestASilentPresenceIsNotWaitedForLong(t *testing.T) {
	h := newHouse(t, 100*time.Millisecond)
	p := h.begins()
	p.room = func(wire.PresenceRoomAsk) wire.PresenceRoomAnswer { return wire.PresenceRoomAnswer{} }
	p.hold = make(chan struct{})
	c := h.open("g1-1", "ann")
	if s := h.appear(c); s.Code != wire.Unavailable {
		t.Errorf("Appear: %q, want unavailable", s.Code)
	}
	close(p.hold) // the answer comes, and nobody waits for it
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if owed := h.Drained(ctx); owed > 0 {
		t.Errorf("Drained() = %d, want nothing owed: the report was answered", owed)
	}
}

// epochs lets presence say of every room that those are in it who asked, and
// that it knows all that was told.
func (h *house) epochs() {
	h.t.Helper()
	p := h.presence
	p.room = func(q wire.PresenceRoomAsk) (a wire.PresenceRoomAnswer) {
		a.Epoch, a.Told = h.told()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, s := range p.stands {
			if !strings.HasPrefix(s.User, "invisible") || s.User == q.User {
				a.Users = append(a.Users, wire.PresenceUser{User: s.User})
			}
		}
		slices.SortFunc(a.Users, func(x, y wire.PresenceUser) int { return strings.Compare(x.User, y.User) })
		return a
	}
}

func TestAllWhoWantARosterAtOnceGetOne(t *testing.T) {
	h := newHouse(t, patience)
	p := h.begins()
	h.epochs()
	hold := make(chan struct{})
	p.hold = hold
	known := []<-chan *here.Stay{h.appears(h.open("g1-0", "user-00"))}
	p.until(t, "the first question", func() bool { return len(p.asked) == 1 })
	const many = 50
	for i := 1; i < many; i++ {
		known = append(known, h.appears(h.open(fmt.Sprint("g1-", i), fmt.Sprintf("user-%02d", i))))
	}
	known = append(known, h.appears(h.open("g1-i", "invisible")))
	if owed := h.Drained(t.Context()); owed > 0 {
		t.Fatalf("%d are owed", owed)
	}
	p.mu.Lock()
	p.hold = nil
	p.mu.Unlock()
	close(hold)
	for i, k := range known {
		s := <-k
		if s.Code != "" || s.Roster.Users == nil {
			t.Fatalf("roster %d: %q, %+v", i, s.Code, s.Roster)
		}
		if i == many && len(s.Roster.Users) != many+1 {
			t.Errorf("who is invisible sees %d users, want himself too", len(s.Roster.Users))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.asked); n > 5 {
		t.Errorf("%d rosters were asked for by %d questions, want a few", many+1, n)
	}
	if q := p.asked[len(p.asked)-1]; q.User != "invisible" || q.AtLeast == 0 {
		t.Errorf("the last question is %+v, want one for who is invisible", q)
	}
}

func TestAReplicaThatKnowsTooLittleIsAskedAgain(t *testing.T) {
	h := newHouse(t, patience)
	p := h.begins()
	h.epochs()
	first := h.open("g1-0", "eve")
	h.Enter(h.appear(first))
	own := h.word("bob", wire.Joined)
	first.hears("bob") // so much is known here
	epoch, _ := h.told()
	asked := 0
	p.mu.Lock()
	p.room = func(wire.PresenceRoomAsk) wire.PresenceRoomAnswer {
		p.mu.Lock()
		defer p.mu.Unlock()
		a := wire.PresenceRoomAnswer{Epoch: epoch, Told: own, Users: []wire.PresenceUser{{User: "ann"}}}
		switch asked++; {
		case asked <= 3:
			a.Told--
		case asked == 4:
			a.Epoch = "other"
		}
		return a
	}
	p.mu.Unlock()
	c := h.open("g1-1", "ann")
	s := h.appear(c)
	if s.Code != "" || s.Roster.Told != own {
		t.Fatalf("the roster knows the log up to %d, %q, want %d", s.Roster.Told, s.Code, own)
	}
	h.Enter(s)
	h.word("eve", wire.Left)
	c.hears(`"user":"eve"`, `"change":"leave"`)
}

func TestAnotherLogOfWordsEndsThoseWithRosters(t *testing.T) {
	h := newHouse(t, patience)
	h.begins()
	h.epochs()
	c, other := h.open("g1-1", "ann"), h.open("g1-2", "bob")
	h.Enter(h.appear(c))
	if err := h.js.DeleteStream(t.Context(), subject.Tree{}.Stream(subject.Tellings)); err != nil {
		t.Fatal(err)
	}
	if err := store.Setup(t.Context(), h.nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	c.hears("server:shutdown")
	c.ends(frame.Restart)
	if _, ended := other.out.End(); ended {
		t.Error("one without a roster has ended")
	}
}

func TestOwnUserIsHeardOfInTheMesh(t *testing.T) {
	h := newHouse(t, patience)
	h.begins()
	c := h.open("g1-1", "ann")
	for _, body := range []string{`{"user":"ann","change":"join"}`, ``, `no word`, `{"user":"ann","status":"busy","change":"status"}`} {
		if _, err := h.js.Publish(t.Context(), subject.Tree{}.Tell(subject.Room{}, "ann"), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	c.hears("presence:update user:ann ", `"status":"busy"`)
}
