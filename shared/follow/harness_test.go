package follow_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// notebook writes down all that a follower tells, and fails the test when
// something is doubled, out of order or missing without a word.
type notebook struct {
	t    testing.TB
	slow func(follow.Entry) // called with each entry before it is noted; nil for none
	page func()             // called at the end of each page; nil for none

	mu      sync.Mutex // guards the fields below
	w       uint64
	entries map[uint64]follow.Entry
	keys    map[string]string // newest body of each subject that is not deleted
	gone    uint64
	resets  []follow.Why
	changed chan struct{} // holds one when something was noted since it was last taken
}

func newNotebook(t testing.TB) *notebook {
	t.Helper()
	return &notebook{t: t, entries: map[uint64]follow.Entry{}, keys: map[string]string{}, changed: make(chan struct{}, 1)}
}

func (n *notebook) Entry(e follow.Entry) {
	if n.slow != nil {
		n.slow(e)
	}
	defer n.note()()
	if e.Seq != n.w+1 {
		n.t.Errorf("entry %d came after %d", e.Seq, n.w)
	}
	n.w = e.Seq
	n.entries[e.Seq] = e
	if e.Header.Get("KV-Operation") != "" || e.Header.Get("Nats-Marker-Reason") != "" {
		delete(n.keys, e.Subject)
	} else {
		n.keys[e.Subject] = string(e.Data)
	}
}

func (n *notebook) Gone(from, to uint64) {
	defer n.note()()
	if from != n.w+1 || to < from {
		n.t.Errorf("gone from %d to %d came after %d", from, to, n.w)
	}
	n.w = to
	n.gone += to - from + 1
}

func (n *notebook) Reset(_ string, last uint64, why follow.Why) {
	defer n.note()()
	n.w = last
	n.resets = append(n.resets, why)
	clear(n.entries)
	clear(n.keys)
}

func (n *notebook) Page(context.Context) {
	if n.page != nil {
		n.page()
	}
}

func (n *notebook) note() (done func()) {
	n.mu.Lock()
	return func() {
		n.mu.Unlock()
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
}

// until waits for what was noted to be as wanted. Only one may wait at a time.
func (n *notebook) until(what string, ok func() bool) {
	n.t.Helper()
	late := time.After(60 * time.Second)
	for {
		n.mu.Lock()
		done := ok()
		n.mu.Unlock()
		if done {
			return
		}
		select {
		case <-n.changed:
		case <-late:
			n.t.Fatalf("waited for %s: W is %d, %d entries, %d gone, resets %v", what, n.w, len(n.entries), n.gone, n.resets)
		}
	}
}

func (n *notebook) untilW(w uint64) {
	n.t.Helper()
	n.until(fmt.Sprintf("W = %d", w), func() bool { return n.w >= w })
}

func (n *notebook) untilReset(why follow.Why) {
	n.t.Helper()
	n.until("reset "+string(why), func() bool { return len(n.resets) > 0 && n.resets[len(n.resets)-1] == why })
}

// see runs f while nothing is noted.
func (n *notebook) see(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

var quiet = slog.New(slog.DiscardHandler)

// events is how the log of events is followed, with short times.
func events() follow.Config {
	tree := subject.Tree{}
	return follow.Config{Stream: tree.Stream(subject.Events), Heard: tree.StoredAll()}
}

// serve listens and serves until the test ends, and then waits for the end.
func serve(t testing.TB, nc *nats.Conn, cfg follow.Config, n *notebook) *follow.Follower {
	t.Helper()
	f, err := follow.Listen(t.Context(), nc, cfg, n, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.FromStart {
		_, w := f.Position()
		n.see(func() { n.w = w })
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return f
}

func stream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// put stores an event in the room task:<room> and returns its sequence. It
// tries again while the stream has no leader.
func put(t testing.TB, js jetstream.JetStream, room, body string) uint64 {
	t.Helper()
	return putMsg(t, js, &nats.Msg{Subject: "hub.event.task." + room, Data: []byte(body)})
}

func putMsg(t testing.TB, js jetstream.JetStream, m *nats.Msg) uint64 {
	t.Helper()
	ack, err := js.PublishMsg(t.Context(), m, jetstream.WithRetryAttempts(500), jetstream.WithRetryWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// edit changes a stream as an admin would.
func edit(t testing.TB, js jetstream.JetStream, name string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	change(&cfg)
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func setup(t testing.TB, nc *nats.Conn, cfg store.Config) {
	t.Helper()
	if err := store.Setup(t.Context(), nc, subject.Tree{}, cfg, quiet); err != nil {
		t.Fatal(err)
	}
}

// clone copies a folder and returns the copy.
func clone(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
