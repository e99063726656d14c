package presence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestAUserIsHereFromTheFirstConnectionToTheLast(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	start(t, natstest.Conn(t, s))
	g1, g2 := open(t, nc, "g1", 13*time.Second), open(t, nc, "g2", 13*time.Second)
	told := hear(t, nc)

	laptop := g1.connect("ann", "task:42")
	words := told.expect(word("", "ann", "join"), word("task:42", "ann", "join"))
	if m := words[1]; m.Status != wire.Online || string(m.Info) != `{"name":"ann"}` || m.Connections != 1 || m.Users+words[0].Users != 1 {
		t.Errorf("the join is %+v, want one connection of one user, online, with info", m)
	}
	phone := g2.connect("ann", "task:42", "task:43")
	told.expect(word("task:43", "ann", "join"))
	g2.connect("bob", "task:42")
	told.expect(word("", "bob", "join"), word("task:42", "bob", "join"))
	eventually(t, "2 users with 3 connections", func() wire.PresenceCounts {
		return must[wire.PresenceCounts](t, nc, "count", wire.PresenceCountAsk{Room: "task:42"})
	}, func(c wire.PresenceCounts) bool { return c == wire.PresenceCounts{Users: 2, Connections: 3} })

	g1.leave(laptop, "task:42")
	g2.leave(phone, "task:43")
	told.expect(word("task:43", "ann", "leave"))
	seq := g2.leave(phone, "task:42")
	told.expect(word("task:42", "ann", "leave"))
	if got := names(roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42", User: "ann", AtLeast: seq}).Users); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("in task:42 are %q, want bob", got)
	}
	g1.end(laptop)
	begun := time.Now()
	g2.end(phone)
	told.expect(word("", "ann", "leave"))
	if grace := time.Since(begun); grace < 4900*time.Millisecond {
		t.Errorf("ann had left after %v, want 5s", grace)
	}
}

func TestWhoIsBackWithinTheGraceHasNotLeft(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	first := g.connect("ann", "task:42", "task:43")
	g.status(first, wire.Away, "lunch")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"), word("task:43", "ann", "join"),
		word("", "ann", "status"), word("task:42", "ann", "status"), word("task:43", "ann", "status"))
	g.end(first)
	inGrace := roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42"}).Users
	if len(inGrace) != 1 || inGrace[0].Connections > 1 {
		t.Errorf("in the grace task:42 holds %+v, want ann", inGrace)
	}
	second := g.connect("ann", "task:42")
	told.expect(word("task:43", "ann", "leave")) // where she has not come back to
	g.end(second)
	g.connect("bob", "task:44") // words come in order: nothing else was told before
	told.expect(word("", "bob", "join"), word("task:44", "bob", "join"))
	users := must[wire.PresenceUsersAnswer](t, nc, "users", wire.PresenceUsersAsk{Users: []string{"ann", "bob", "eve"}}).Users
	if !slices.Equal(names(users), []string{"ann", "bob"}) || users[0].Status != wire.Away || users[0].Text != "lunch" {
		t.Errorf("here are %+v, want ann, who is away still, and bob", users)
	}
}

func TestWhoUnsubscribesAfterComingBackIsNotWaitedFor(t *testing.T) {
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	first := g.connect("ann", "task:42")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"))
	g.end(first)
	second := g.connect("ann", "task:42", "task:43")
	told.expect(word("task:43", "ann", "join"))
	ended := time.Now()
	seq := g.leave(second, "task:42")
	expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42", User: "ann", AtLeast: seq})
	told.expect(word("task:42", "ann", "leave"))
	if took := time.Since(ended); took > 4*time.Second {
		t.Logf("it was told after %v: too slow a machine to say that nobody waited for the grace", took)
	}
}

func TestTheLastStatusHoldsWhicheverConnectionSaidIt(t *testing.T) {
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	laptop, phone := g.connect("ann", "task:42"), g.connect("ann")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"))
	g.status(phone, wire.Busy, "")
	told.expect(word("", "ann", "status"), word("task:42", "ann", "status"))
	g.end(phone)
	g.status(laptop, wire.Online, "")
	told.expect(word("", "ann", "status"), word("task:42", "ann", "status"))

	g.status(laptop, wire.Invisible, "")
	for _, m := range told.expect(word("", "ann", "leave"), word("task:42", "ann", "leave")) {
		if m.Status != wire.Offline {
			t.Errorf("who turned invisible is told to be %s, want offline", m.Status)
		}
	}
	expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42", User: "bob"})
	eventually(t, "ann to see herself, invisible", func() []wire.PresenceUser {
		return roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42", User: "ann"}).Users
	}, func(users []wire.PresenceUser) bool { return len(users) == 1 && users[0].Status == wire.Invisible })
	eventually(t, "nobody to be listed", func() []wire.PresenceUser {
		return must[wire.PresenceUsersAnswer](t, nc, "users", wire.PresenceUsersAsk{Users: []string{"ann"}}).Users
	}, func(users []wire.PresenceUser) bool { return len(users) == 0 })
	g.status(laptop, wire.Online, "")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"))
}

func TestALargeRoomIsReadInPages(t *testing.T) {
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	const members = 450
	var stands []wire.PresenceStand
	var want []string
	for i := range members {
		user := fmt.Sprintf("user-%03d", i)
		want = append(want, user)
		stands = append(stands, wire.PresenceStand{Connection: fmt.Sprintf("g1-%d", i), User: user, Turn: 1, First: true, Rooms: []string{"task:42"}})
	}
	seq, err := g.report(t.Context(), stands...)
	if err != nil {
		t.Fatal(err)
	}
	told.until("all to be told", func(words []wire.PresenceTold) bool { return len(words) == 2*members })
	answer := roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42", User: want[members-1], AtLeast: seq}) // told of last
	if len(answer.Users) != 200 || answer.Counts != (wire.PresenceCounts{Users: members, Connections: members}) {
		t.Errorf("the first page has %d users and counts %+v, want 200 and %d", len(answer.Users), answer.Counts, members)
	}
	got := names(answer.Users)
	for answer.Next != "" {
		answer = roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42", After: answer.Next, Limit: 100})
		got = append(got, names(answer.Users)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %d users, want %d", len(got), len(want))
	}
}

func TestASnapshotAndWhatIsToldAfterItAreTheWholeStory(t *testing.T) {
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	start(t, natstest.Conn(t, s))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	const turns = 60
	done := make(chan struct{})
	go func() { // joins and leaves go by while snapshots are taken
		defer close(done)
		for i := range turns {
			conn := g.connect(fmt.Sprintf("user-%d", i%7), "task:42")
			g.leave(conn, "task:42")
		}
		g.connect("zoe", "task:42")
	}()
	var snapshots []wire.PresenceRoomAnswer
	for taking := true; taking; {
		select {
		case <-done:
			taking = false
		default:
			snapshots = append(snapshots, roomOf(t, nc, wire.PresenceRoomAsk{Room: "task:42"}))
		}
	}
	told.until("the last join", func(words []wire.PresenceTold) bool {
		return slices.ContainsFunc(words, func(m wire.PresenceTold) bool { return m.Room != "" && m.User == "zoe" })
	})
	for i, shot := range snapshots {
		in := map[string]bool{}
		for _, u := range shot.Users {
			in[u.User] = true
		}
		for n, m := range told.all() {
			if m.Room == "" || told.seqs[n] <= shot.Told {
				continue
			}
			if joined := m.Change == wire.Joined; joined == in[m.User] {
				t.Fatalf("snapshot %d of %d, then word %d: %s is told to %s, and was here: %v", i, len(snapshots), n, m.User, m.Change, in[m.User])
			}
			in[m.User] = m.Change == wire.Joined
		}
	}
	t.Logf("%d snapshots", len(snapshots))
}
