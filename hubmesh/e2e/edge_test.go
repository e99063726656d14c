package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var stream = subject.Tree{}.Stream(subject.Events)

// storeUnder publishes an event under a key.
func storeUnder(t testing.TB, c *hub.Client, room, key string) (offset uint64, err error) {
	t.Helper()
	return c.Publish(t.Context(), hub.Publication{Room: room, Event: "test:event", Data: fmt.Appendf(nil, `{"id":%q}`, key), Durable: true, Key: key})
}

// storedAtLast is storeUnder, again and again until it is acked.
func storedAtLast(t testing.TB, c *hub.Client, room, key string) (offset uint64) {
	t.Helper()
	until(t, patience, func() (err error) {
		offset, err = storeUnder(t, c, room, key)
		return err
	}, func(err error) bool { return err == nil })
	return offset
}

// notStored fails unless err says so.
func notStored(t testing.TB, err error) {
	t.Helper()
	var refused *hub.Error
	if !errors.As(err, &refused) || refused.Code != wire.Unavailable {
		t.Fatalf("a publish that cannot be stored is answered with %v, want unavailable", err)
	}
}

// inCluster is config on a cluster of three.
func inCluster(t testing.TB) (mesh.Config, *natstest.Nodes) {
	t.Helper()
	nodes := natstest.Cluster(t, 3)
	cfg := config(t)
	cfg.Gateways = 2
	cfg.NATS.URL = nodes.Server(0).ClientURL()
	cfg.Store.Replicas = 3
	cfg.Gateway.LeaseWatch = -1
	return cfg, nodes
}

// change updates the log's stream, and returns how to undo it.
func (h *house) change(f func(*jetstream.StreamConfig)) (undo func()) {
	h.t.Helper()
	s, err := h.js.Stream(h.t.Context(), stream)
	if err != nil {
		h.t.Fatal(err)
	}
	was := s.CachedInfo().Config
	now := was
	f(&now)
	update := func(c jetstream.StreamConfig) {
		if _, err := h.js.UpdateStream(h.t.Context(), c); err != nil {
			h.t.Fatal(err)
		}
	}
	update(now)
	return func() { update(was) }
}

func TestWhatTheLogCannotTakeIsUnavailableAndNotStored(t *testing.T) {
	cfg := config(t)
	cfg.Gateway.StoreWait = time.Second
	h := open(t, cfg)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	h.events("task:42", 10)
	faults := map[string]func() (undo func()){
		"a stream that is full": func() func() {
			return h.change(func(s *jetstream.StreamConfig) { s.Discard, s.MaxMsgs = jetstream.DiscardNew, int64(h.log().Last) })
		},
		"a stream that takes no such subject": func() func() {
			return h.change(func(s *jetstream.StreamConfig) { s.Subjects = []string{"elsewhere.>"}; s.RePublish = nil })
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			undo := fault()
			before := h.log().Last
			_, err := storeUnder(t, c, "task:42", name)
			notStored(t, err)
			if now := h.log().Last; now != before {
				t.Errorf("the log went from %d to %d", before, now)
			}
			undo()
			if offset := storedAtLast(t, c, "task:42", name); offset != before+1 {
				t.Errorf("afterwards it is stored at %d, want %d", offset, before+1)
			}
		})
	}
}

func TestAKeyBelongsToItsUserAndRoom(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	ann, again, bob := dial(t, g, "ann"), dial(t, h.newborn(), "ann"), dial(t, g, "bob")
	first, err := storeUnder(t, ann, "task:42", "k")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*hub.Client{"the same connection": ann, "another of the user's": again} {
		if got, err := storeUnder(t, c, "task:42", "k"); err != nil || got != first {
			t.Errorf("%s stored the key again at %d, %v; want %d", name, got, err, first)
		}
	}
	if got, err := storeUnder(t, bob, "task:42", "k"); err != nil || got <= first {
		t.Errorf("another user's same key is stored at %d, %v", got, err)
	}
	if got, err := storeUnder(t, ann, "task:43", "k"); err != nil || got <= first {
		t.Errorf("the same key in another room is stored at %d, %v", got, err)
	}
	if n := len(h.between("task:42", 0, h.log().Last)); n != 2 {
		t.Errorf("the room holds %d events, want 2", n)
	}
}

func TestPublishesThatDoNotWaitForAcksKeepTheirOrder(t *testing.T) {
	h := open(t, config(t))
	c := dial(t, h.mesh.Gateways()[0], "ann")
	inOrder(t, h, c, func(int) {})
}

// inOrder publishes without waiting for acks, and fails unless all are stored
// in the order asked. during is called before each.
func inOrder(t *testing.T, h *house, c *hub.Client, during func(n int)) {
	t.Helper()
	const count, ahead = 200, 30
	asked, offsets := []int64(nil), []uint64(nil)
	take := func() {
		var got struct{ Offset uint64 }
		acked(t, c, asked[len(offsets)], &got)
		offsets = append(offsets, got.Offset)
	}
	for n := range count {
		during(n)
		asked = append(asked, tell(t, c, "publish", map[string]any{
			"room": "task:order", "event": "e", "durable": true, "data": map[string]string{"id": fmt.Sprint(n)},
		}))
		if n >= ahead {
			take()
		}
	}
	for len(offsets) < count {
		take()
	}
	var ids, want []string
	var at []uint64
	for _, e := range h.read("task:order", 0, h.log().Last) {
		ids, at = append(ids, idOf(e.Data)), append(at, e.Seq)
	}
	for n := range count {
		want = append(want, fmt.Sprint(n))
	}
	if !slices.Equal(ids, want) || !slices.Equal(at, offsets) {
		t.Errorf("the log holds %v at %v, want 0 to %d at %v", ids, at, count-1, offsets)
	}
}

func TestALeaderMayChangeUnderPublishes(t *testing.T) {
	cfg, nodes := inCluster(t)
	cfg.Gateway.StoreWait = patience // an election may take its time
	h := open(t, cfg)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	inOrder(t, h, c, func(n int) {
		if n%60 == 50 {
			nodes.StepDown(stream)
		}
	})
	first, err := storeUnder(t, c, "task:42", "k")
	if err != nil {
		t.Fatal(err)
	}
	nodes.StepDown(stream)
	if again, err := storeUnder(t, c, "task:42", "k"); err != nil || again != first {
		t.Errorf("the key is stored again at %d, %v; want %d", again, err, first)
	}
}

func TestWithoutAQuorumNothingIsAcked(t *testing.T) {
	cfg, nodes := inCluster(t)
	cfg.Gateway.StoreWait = 2 * time.Second
	h := open(t, cfg)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	if _, err := storeUnder(t, c, "task:42", "before"); err != nil {
		t.Fatal(err)
	}
	nodes.Stop(1)
	nodes.Stop(2)
	for n := range 3 {
		_, err := storeUnder(t, c, "task:42", fmt.Sprint("without ", n))
		notStored(t, err)
	}
	nodes.Start(1, 2)
	back := dial(t, h.mesh.Gateways()[0], "ann") // whatever became of the first
	var offsets []uint64
	for n := range 3 { // what was unavailable may be stored or not: the key tells
		key := fmt.Sprint("without ", n)
		offsets = append(offsets, storedAtLast(t, back, "task:42", key))
	}
	var ids []string
	for _, e := range h.read("task:42", 0, h.log().Last) {
		ids = append(ids, idOf(e.Data))
		if i := slices.Index([]string{"without 0", "without 1", "without 2"}, idOf(e.Data)); i >= 0 && offsets[i] != e.Seq {
			t.Errorf("%s is acked at %d and stored at %d", idOf(e.Data), offsets[i], e.Seq)
		}
	}
	slices.Sort(ids)
	if want := []string{"before", "without 0", "without 1", "without 2"}; !slices.Equal(ids, want) {
		t.Errorf("the room holds %v, want %v", ids, want)
	}
}
