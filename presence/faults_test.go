package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// journal reads all of HUB_CLIENTS: the starts and the ends of each connection.
func journal(t testing.TB, nc *nats.Conn) (starts, ends map[string]int) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), subject.Tree{}.Stream(subject.Clients))
	if err != nil {
		t.Fatal(err)
	}
	starts, ends = map[string]int{}, map[string]int{}
	for seq := range s.CachedInfo().State.LastSeq {
		m, err := s.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		var c wire.ClientRecord
		if err := json.Unmarshal(m.Data, &c); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Subject == subject.Tree{}.Client(subject.Disconnected):
			ends[c.Connection]++
		case !c.Again:
			starts[c.Connection]++
		}
	}
	return starts, ends
}

// expectEnds waits until each of the connections has ended, and judges that
// each of all connections has one start, and those one end.
func expectEnds(t testing.TB, nc *nats.Conn, ended ...string) {
	t.Helper()
	eventually(t, "every end to be recorded", func() int { _, ends := journal(t, nc); return len(ends) },
		func(n int) bool { return n >= len(ended) })
	starts, ends := journal(t, nc)
	want := map[string]int{}
	for _, conn := range ended {
		want[conn] = 1
	}
	if !maps.Equal(ends, want) {
		t.Errorf("ends are %v, want %v", ends, want)
	}
	for conn, n := range starts {
		if n != 1 {
			t.Errorf("%s has %d starts, want one", conn, n)
		}
	}
	for conn := range want {
		if starts[conn] == 0 {
			t.Errorf("%s ended, and has no start", conn)
		}
	}
}

// abrupt ends a replica as SIGKILL does: it says no word more.
func abrupt(r *replica, nc *nats.Conn) {
	nc.Close()
	_ = r.end() // it says that its connection is gone
}

func TestUsersOfAKilledGatewayHaveLeftAndItsConnectionsEndOnce(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	for range 3 {
		startWith(t, natstest.Conn(t, s), presence.Config{Proof: time.Second})
	}
	g1, g2 := open(t, nc, "g1", time.Second), open(t, nc, "g2", time.Second)
	told := hear(t, nc)
	var ended []string
	want := []string{}
	for i := range 50 {
		user := fmt.Sprintf("user-%02d", i)
		ended = append(ended, g1.connect(user, "task:42"))
		want = append(want, word("", user, "join"), word("task:42", user, "join"))
	}
	g2.connect("user-00", "task:42")
	g1.status(ended[0], wire.Away, "") // and it holds when the connection that said it is swept
	told.expect(append(want, word("", "user-00", "status"), word("task:42", "user-00", "status"))...)

	g1.kill()
	want = want[:0]
	for i := 1; i < 50; i++ {
		user := fmt.Sprintf("user-%02d", i)
		want = append(want, word("", user, "leave"), word("task:42", user, "leave"))
	}
	told.expect(want...)
	users := expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42"}, "user-00")
	if users[0].Status != wire.Away || users[0].Connections != 1 {
		t.Errorf("who stays is %+v, want away, with one connection", users[0])
	}
	expectEnds(t, nc, ended...)
	if n := len(told.all()); n != 100+2+98 {
		t.Errorf("told were %d words, want 200", n)
	}
}

func TestABusThatWasAwayForLongerThanALeaseEndsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	on := func(o *server.Options) { o.StoreDir = dir }
	s, admin := natstest.Mesh(t, on)
	w := natstest.NewWire(t, s)
	startWith(t, w.Conn(t), presence.Config{Proof: 3 * time.Second})
	startWith(t, w.Conn(t), presence.Config{Proof: 3 * time.Second})
	gc := w.Conn(t)
	g := open(t, gc, "g1", time.Second)
	told := hear(t, admin)
	conn := g.connect("ann", "task:42")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"))

	// The leases end by NATS's own clock, and all hear of it only afterwards.
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	w.Cut()
	kv, err := js.KeyValue(t.Context(), subject.Tree{}.Bucket(subject.Gateways))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lease to end", func() error { _, err := kv.Get(t.Context(), "g1"); return err }, func(err error) bool { return err != nil })
	w.Mend()
	eventually(t, "the lease to be written anew", func() error { _, err := kv.Get(t.Context(), "g1"); return err }, func(err error) bool { return err == nil })
	g.enter(conn, "task:43") // stored after all that a sweep would have done
	told.expect(word("task:43", "ann", "join"))
	expectEnds(t, admin)
	g.end(conn)
	told.expect(word("", "ann", "leave"), word("task:42", "ann", "leave"), word("task:43", "ann", "leave"))
	expectEnds(t, admin, conn)
}

func TestReplicasKilledWhileChangesGoByTellEachChangeOnce(t *testing.T) {
	t.Parallel()
	s, nc := natstest.Mesh(t)
	told := hear(t, nc)
	type running struct {
		r  *replica
		nc *nats.Conn
	}
	begin := func() running {
		own := natstest.Conn(t, s)
		return running{start(t, own), own}
	}
	replicas := []running{begin(), begin()}
	g1, g2 := open(t, nc, "g1", 13*time.Second), open(t, nc, "g2", 13*time.Second)
	const turns = 40
	joins := map[string]int{} // of task:42
	var ended []string
	var mu sync.Mutex
	var clients sync.WaitGroup
	for n, g := range []*house{g1, g2} {
		for c := range 3 {
			user := fmt.Sprintf("user-%d-%d", n, c)
			clients.Go(func() {
				conn := g.connect(user)
				for range turns {
					g.enter(conn, "task:42")
					g.leave(conn, "task:42")
				}
				g.enter(conn, "task:42")
				if c == 0 {
					g.end(conn)
				}
				mu.Lock()
				defer mu.Unlock()
				joins[user] = turns + 1
				if c == 0 {
					ended = append(ended, conn)
				}
			})
		}
	}
	working, done := context.WithCancel(t.Context())
	go func() { clients.Wait(); done() }()
	killed := 0
	for more := 120; ; more += 120 { // one is killed whenever so many words were told
		if !told.wait(working, func(words []wire.PresenceTold) bool { return len(words) >= more }) {
			break
		}
		abrupt(replicas[killed%2].r, replicas[killed%2].nc)
		replicas[killed%2] = begin()
		killed++
	}
	t.Logf("%d replicas were killed", killed)
	expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42"}, "user-0-1", "user-0-2", "user-1-1", "user-1-2")
	expectEnds(t, nc, ended...)
	in, heard := map[string]bool{}, map[string]int{}
	for _, m := range told.all() {
		if m.Room == "" {
			continue
		}
		if joined := m.Change == wire.Joined; joined == in[m.User] {
			t.Errorf("%s was told to %s when being here was %v", m.User, m.Change, in[m.User])
		}
		if in[m.User] = m.Change == wire.Joined; in[m.User] {
			heard[m.User]++
		}
	}
	for user, n := range joins {
		// One whose report was stored by a replica that was killed before it
		// told, and that was reported on by the next, may be told as one.
		if heard[user] > n || heard[user] < n-4 {
			t.Errorf("%s has joined %d times, and %d were told", user, n, heard[user])
		}
	}
}

func TestAllThatIsOnDiskIsFoundAfterARestartOfEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	on := func(o *server.Options) { o.StoreDir = dir }
	s, nc := natstest.Mesh(t, on)
	own := natstest.Conn(t, s)
	r := start(t, own)
	g := open(t, nc, "g1", time.Second)
	told := hear(t, nc)
	stays, goes := g.connect("ann", "task:42"), g.connect("bob", "task:42")
	told.expect(word("", "ann", "join"), word("task:42", "ann", "join"), word("", "bob", "join"), word("task:42", "bob", "join"))

	abrupt(r, own) // nobody is there when bob ends: his gateway repeats it until somebody is
	var ending sync.WaitGroup
	ending.Go(func() { g.end(goes) })
	g.stop()
	nc.Close()
	s.Shutdown()
	s.WaitForShutdown()

	s, nc = natstest.Mesh(t, on)
	g.moves(nc)
	told = hear(t, nc)
	start(t, natstest.Conn(t, s))
	start(t, natstest.Conn(t, s))
	ending.Wait()
	// And ann, whose gateway is no more.
	told.expect(word("", "bob", "leave"), word("task:42", "bob", "leave"), word("", "ann", "leave"), word("task:42", "ann", "leave"))
	expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42"})
	expectEnds(t, nc, slices.Sorted(slices.Values([]string{goes, stays}))...)
}

func TestLeadersThatStepDownLeaveTheRosterRight(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t, 3)
	nc := c.Conn(0)
	if err := store.Setup(t.Context(), nc, subject.Tree{}, store.Config{Replicas: 3}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	start(t, c.Conn(1))
	start(t, c.Conn(2))
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	var clients sync.WaitGroup
	for i := range 4 {
		user := fmt.Sprintf("user-%d", i)
		clients.Go(func() {
			conn := g.connect(user)
			for range 15 {
				g.enter(conn, "task:42")
				g.leave(conn, "task:42")
			}
		})
	}
	working, done := context.WithCancel(t.Context())
	go func() { clients.Wait(); done() }()
	streams := []string{subject.Tree{}.BucketStream(subject.Here), subject.Tree{}.Stream(subject.Tellings)}
	for i := 0; told.wait(working, func(words []wire.PresenceTold) bool { return len(words) >= 30*(i+1) }); i++ {
		c.StepDown(streams[i%2])
	}
	<-working.Done()
	expectRoom(t, nc, wire.PresenceRoomAsk{Room: "task:42"})
	told.until("the last leaves", func(words []wire.PresenceTold) bool {
		in := map[string]bool{}
		for _, m := range words {
			in[m.Room+" "+m.User] = m.Room != "" && m.Change != wire.Left
		}
		return !slices.Contains(slices.Collect(maps.Values(in)), true)
	})
	// A hole in HUB_TOLD is read back as the newest word on each user, so who
	// hears over a step-down may miss a pair of words, and never the last.
	last := map[string]wire.Change{}
	for _, m := range told.all() {
		last[m.Room+" "+m.User] = m.Change
	}
	for i := range 4 {
		if who := fmt.Sprintf("task:42 user-%d", i); last[who] != wire.Left {
			t.Errorf("%q was told last to %s, want leave", who, last[who])
		}
	}
	t.Logf("told were %d words of 124", len(told.all()))
}

func TestReplicasWhoseClocksDifferAgreeOnTheLastStatus(t *testing.T) {
	s, nc := natstest.Mesh(t)
	g := open(t, nc, "g1", 13*time.Second)
	told := hear(t, nc)
	ahead := func() time.Time { return time.Now().Add(time.Hour) }
	own := natstest.Conn(t, s)
	first := startWith(t, own, presence.Config{Now: ahead})
	laptop, phone := g.connect("ann"), g.connect("ann")
	g.status(laptop, wire.Away, "said to the one ahead")
	abrupt(first, own)
	startWith(t, natstest.Conn(t, s), presence.Config{Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	g.status(phone, wire.Busy, "said to the one behind")
	g.end(phone)
	words := told.expect(word("", "ann", "join"), word("", "ann", "status"), word("", "ann", "status"))
	if last := words[2]; last.Status != wire.Busy {
		t.Errorf("told last is %s, want busy", last.Status)
	}
	users := must[wire.PresenceUsersAnswer](t, nc, "users", wire.PresenceUsersAsk{Users: []string{"ann"}}).Users
	if len(users) != 1 || users[0].Status != wire.Busy {
		t.Errorf("here are %+v, want ann, busy", users)
	}
}
