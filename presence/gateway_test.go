package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// patience is how long a test waits for what must come. A loaded machine takes
// long; it is never waited out where all is well.
const patience = 90 * time.Second

// house is a gateway as presence sees it: it holds a lease, and reports its
// connections until it is answered.
type house struct {
	t    testing.TB
	id   string
	stop func()

	mu     sync.Mutex // guards what is below
	nc     *nats.Conn
	last   int
	stands map[string]wire.PresenceStand // connections that have not ended
}

// open starts a gateway. Its lease ends ttl after kill.
func open(t testing.TB, nc *nats.Conn, id string, ttl time.Duration) *house {
	t.Helper()
	h := &house{t: t, nc: nc, id: id, stands: map[string]wire.PresenceStand{}}
	lost := make(chan struct{}, 1)
	lease, err := kv.Claim(t.Context(), nc, kv.LeaseConfig{
		Bucket: subject.Gateways, Key: id, TTL: ttl, Renew: ttl / 10, Watch: -1,
		Value: func() []byte { return []byte(`{}`) },
		Lost:  func() { lost <- struct{}{} },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = lease.Serve(ctx) }) // ends with ctx, or when the test takes NATS away
	serving.Go(func() {
		for {
			select {
			case <-lost:
				h.again(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	h.stop = func() { cancel(); serving.Wait() }
	t.Cleanup(h.stop)
	return h
}

// kill ends the gateway as SIGKILL does: nothing is reported any more.
func (h *house) kill() { h.stop() }

// moves goes on over another connection.
func (h *house) moves(nc *nats.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nc = nc
}

// again reports all connections anew, as after a lost lease.
func (h *house) again(ctx context.Context) {
	h.mu.Lock()
	var stands []wire.PresenceStand
	for id, s := range h.stands {
		s.Turn++
		h.stands[id] = s
		s.Again = true
		stands = append(stands, s)
	}
	h.mu.Unlock()
	_, _ = h.report(ctx, stands...) // an error is the end of the test
}

// change makes a connection stand otherwise, and returns when that is stored.
func (h *house) change(conn string, how func(*wire.PresenceStand)) uint64 {
	h.t.Helper()
	h.mu.Lock()
	s := h.stands[conn]
	s.Turn++
	how(&s)
	h.stands[conn] = s
	kept := h.stands[conn]
	kept.First, kept.Fresh = false, false
	h.stands[conn] = kept
	if s.End != nil {
		delete(h.stands, conn)
	}
	h.mu.Unlock()
	seq, err := h.report(h.t.Context(), s)
	if err != nil {
		h.t.Error(err) // also called beside the test's goroutine
	}
	return seq
}

// report reports until all is answered.
func (h *house) report(ctx context.Context, stands ...wire.PresenceStand) (seq uint64, err error) {
	stands = slices.Clone(stands) // it is the caller's
	for begun := time.Now(); len(stands) > 0; {
		h.mu.Lock()
		nc := h.nc
		h.mu.Unlock()
		once, cancel := context.WithTimeout(ctx, 4*time.Second)
		answer, err := natsconn.Call[wire.PresenceReported](once, nc, subject.Tree{}.Report(), wire.PresenceReport{Gateway: h.id, Connections: stands})
		cancel()
		if err == nil {
			seq = max(seq, answer.Sequence)
			if len(answer.Refused) > 0 {
				h.t.Errorf("gateway %s: refused %d, the first %q", h.id, len(answer.Refused), answer.Refused[0])
			}
			stands = slices.DeleteFunc(stands, func(s wire.PresenceStand) bool { return !slices.Contains(answer.Failed, s.Connection) })
			continue
		}
		if ctx.Err() != nil || time.Since(begun) > patience {
			return seq, fmt.Errorf("gateway %s: report: %w", h.id, err)
		}
		pause(ctx, 50*time.Millisecond)
	}
	return seq, nil
}

// pause is what a gateway waits before it repeats a report.
func pause(ctx context.Context, wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// connect begins a connection of a user, in rooms.
func (h *house) connect(user string, rooms ...string) (conn string) {
	h.t.Helper()
	h.mu.Lock()
	h.last++
	conn = fmt.Sprintf("%s-%d", h.id, h.last)
	h.mu.Unlock()
	h.change(conn, func(s *wire.PresenceStand) {
		s.Connection, s.User, s.Door, s.IP, s.First = conn, user, "native", "192.0.2.1", true
		s.Since, s.Rooms = time.Now().UnixMilli(), rooms
		s.Info = json.RawMessage(fmt.Sprintf(`{"name":%q}`, user))
	})
	return conn
}

func (h *house) enter(conn, room string) {
	h.t.Helper()
	h.change(conn, func(s *wire.PresenceStand) { s.Rooms = append(slices.Clone(s.Rooms), room) })
}

func (h *house) leave(conn, room string) uint64 {
	h.t.Helper()
	return h.change(conn, func(s *wire.PresenceStand) {
		s.Rooms = slices.DeleteFunc(slices.Clone(s.Rooms), func(r string) bool { return r == room })
	})
}

func (h *house) status(conn, status, text string) {
	h.t.Helper()
	h.change(conn, func(s *wire.PresenceStand) { s.Status, s.Fresh = &wire.UserStatus{Status: status, Text: text}, true })
}

// end ends a connection as when its client's network is cut.
func (h *house) end(conn string) {
	h.t.Helper()
	h.change(conn, func(s *wire.PresenceStand) {
		s.End = &wire.PresenceEnd{At: time.Now().UnixMilli(), Reason: "closed", Grace: true}
	})
}

// hall is what a gateway hears of HUB_TOLD: every word, in order and once.
type hall struct {
	t testing.TB

	mu    sync.Mutex // guards what is below
	words []wire.PresenceTold
	seqs  []uint64
	more  chan struct{} // closed when a word comes
	read  int           // how many expect has seen
}

// hear follows HUB_TOLD from now on.
func hear(t testing.TB, nc *nats.Conn) *hall {
	t.Helper()
	h := &hall{t: t, more: make(chan struct{})}
	f, err := follow.Listen(t.Context(), nc, follow.Config{
		Stream: subject.Tree{}.Stream(subject.Tellings), Heard: subject.Tree{}.ToldAll(),
	}, h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = f.Serve(ctx) }) // ends with ctx
	t.Cleanup(func() { cancel(); serving.Wait() })
	return h
}

func (h *hall) Entry(e follow.Entry) {
	var m wire.PresenceTold
	if err := json.Unmarshal(e.Data, &m); err != nil {
		return // a marker's
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words, h.seqs = append(h.words, m), append(h.seqs, e.Seq)
	close(h.more)
	h.more = make(chan struct{})
}

func (h *hall) Gone(uint64, uint64)              {}
func (h *hall) Reset(string, uint64, follow.Why) {}
func (h *hall) Page(context.Context)             {}
func word(room, user, change string) string      { return room + " " + user + " " + change }
func spell(m wire.PresenceTold) string           { return word(m.Room, m.User, string(m.Change)) }
func (h *hall) all() (words []wire.PresenceTold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.words)
}

// until waits until ok says so of all words.
func (h *hall) until(what string, ok func([]wire.PresenceTold) bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	if !h.wait(ctx, ok) {
		h.t.Fatalf("%s: not in %v; told were %d words", what, patience, len(h.all()))
	}
}

// wait waits until ok says so of all words, and reports false when ctx ended
// first.
func (h *hall) wait(ctx context.Context, ok func([]wire.PresenceTold) bool) bool {
	for {
		h.mu.Lock()
		more := h.more
		h.mu.Unlock()
		if ok(h.all()) {
			return true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return false
		}
	}
}

// expect waits for words beside those it has seen before, in any order, and no
// others.
func (h *hall) expect(want ...string) []wire.PresenceTold {
	h.t.Helper()
	h.until(fmt.Sprintf("words %q", want), func(words []wire.PresenceTold) bool { return len(words) >= h.read+len(want) })
	words := h.all()[h.read:]
	h.read += len(words)
	var got []string
	for _, m := range words {
		got = append(got, spell(m))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.t.Fatalf("told is %q, want %q", got, want)
	}
	return words
}

// roomOf asks who is in a room.
func roomOf(t testing.TB, nc *nats.Conn, ask wire.PresenceRoomAsk) wire.PresenceRoomAnswer {
	t.Helper()
	return must[wire.PresenceRoomAnswer](t, nc, "room", ask)
}

// must asks an endpoint of presence.
func must[Out any](t testing.TB, nc *nats.Conn, endpoint string, in any) Out {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := natsconn.Call[Out](ctx, nc, subject.Tree{}.Svc(subject.Presence, endpoint), in)
	if err != nil {
		t.Fatalf("ask %s: %v", endpoint, err)
	}
	return out
}

// names is the users of an answer.
func names(users []wire.PresenceUser) (all []string) {
	all = []string{}
	for _, u := range users {
		all = append(all, u.User)
	}
	return all
}

// eventually asks until the answer is right: another replica than the one that
// was told may hear of it a moment later.
func eventually[Out any](t testing.TB, what string, ask func() Out, right func(Out) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		got := ask()
		if right(got) {
			return
		}
		if time.Since(begun) > patience {
			t.Fatalf("%s: after %v it is %+v", what, patience, got)
		}
	}
}

// expectRoom waits until whichever replica answers says that these are in a
// room.
func expectRoom(t testing.TB, nc *nats.Conn, ask wire.PresenceRoomAsk, want ...string) (users []wire.PresenceUser) {
	t.Helper()
	slices.Sort(want)
	eventually(t, fmt.Sprintf("%+v, want %q", ask, want), func() []wire.PresenceUser {
		users = roomOf(t, nc, ask).Users
		return users
	}, func(users []wire.PresenceUser) bool { return slices.Equal(names(users), want) })
	return users
}
