package follow_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func gateways() follow.Config {
	tree := subject.Tree{}
	return follow.Config{Stream: tree.BucketStream(subject.Gateways), Heard: tree.Heard(subject.Gateways, "*"), FromStart: true}
}

func bucket(t testing.TB, nc *nats.Conn) jetstream.KeyValue {
	t.Helper()
	kv, err := stream(t, nc).KeyValue(t.Context(), "HUB_GATEWAYS")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// lease writes a key that ends by itself after ttl, in whole seconds.
func lease(t testing.TB, nc *nats.Conn, key, value string, ttl time.Duration) {
	t.Helper()
	_, err := stream(t, nc).Publish(t.Context(), subject.Tree{}.Key(subject.Gateways, key), []byte(value), jetstream.WithMsgTTL(ttl))
	if err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestABucketIsTheSameForWhoCameEarlyAndWhoComesLate(t *testing.T) {
	s, nc := natstest.Mesh(t)
	kv := bucket(t, nc)
	early, late := newNotebook(t), newNotebook(t)
	serve(t, natstest.Conn(t, s), gateways(), early)
	for i := range 2000 {
		_, err := kv.Put(t.Context(), fmt.Sprintf("g%d", i%700), fmt.Append(nil, i))
		must(t, err)
	}
	must(t, kv.Delete(t.Context(), "g1"))
	must(t, kv.Purge(t.Context(), "g2", jetstream.PurgeTTL(time.Minute)))
	lease(t, nc, "g3", "short", time.Second)
	lease(t, nc, "g4", "long", time.Hour)
	early.until("the end of g3", func() bool {
		_, ok := early.keys["$KV.HUB_GATEWAYS.g3"]
		return early.w > 2003 && !ok
	})
	f := serve(t, natstest.Conn(t, s), gateways(), late)
	if _, w := f.Position(); w != early.w {
		t.Fatalf("the snapshot goes to %d, want %d, when Listen returns", w, early.w)
	}
	must(t, kv.Delete(t.Context(), "g5"))
	early.untilW(2006)
	late.untilW(2006)
	if len(early.keys) != 696 || !maps.Equal(early.keys, late.keys) {
		t.Errorf("%d keys for who came early and %d for who came late, want the same 696", len(early.keys), len(late.keys))
	}
}

func TestADeletionWhoseMarkerHasEndedIsNotMissed(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	edit(t, js, gateways().Stream, func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = time.Second })
	kv := bucket(t, nc)
	wire := natstest.NewWire(t, s)
	follower := wire.Conn(t)
	n := newNotebook(t)
	serve(t, follower, gateways(), n)
	for _, key := range []string{"stays", "goes"} {
		_, err := kv.Put(t.Context(), key, []byte("x"))
		must(t, err)
	}
	n.untilW(2)
	away := follower.StatusChanged(nats.RECONNECTING)
	wire.Cut()
	<-away
	must(t, kv.Purge(t.Context(), "goes", jetstream.PurgeTTL(time.Second)))
	reader := follow.NewReader(nc, gateways())
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for gone := false; !gone; <-tick.C {
		page, err := reader.Read(t.Context(), epoch(t, reader), "", 2, 3)
		must(t, err)
		gone = len(page) == 0
	}
	wire.Mend()
	n.untilReset(follow.Forgotten)
	n.untilW(3)
	if len(n.keys) != 1 || n.keys["$KV.HUB_GATEWAYS.stays"] != "x" {
		t.Errorf("keys are %v, want only stays", n.keys)
	}
}

func TestABucketMadeAnewIsReadFromItsStart(t *testing.T) {
	s, nc := natstest.Mesh(t)
	n := newNotebook(t)
	cfg := gateways()
	cfg.Silence = 50 * time.Millisecond
	serve(t, natstest.Conn(t, s), cfg, n)
	kv := bucket(t, nc)
	for _, key := range []string{"a", "b", "c"} {
		_, err := kv.Put(t.Context(), key, []byte("old"))
		must(t, err)
	}
	n.untilW(3)
	must(t, stream(t, nc).DeleteStream(t.Context(), cfg.Stream))
	setup(t, nc, store.Config{})
	_, err := kv.Put(t.Context(), "d", []byte("new"))
	must(t, err)
	n.until("the new bucket", func() bool { return n.keys["$KV.HUB_GATEWAYS.d"] == "new" })
	if len(n.keys) != 1 {
		t.Errorf("keys are %v, want only d", n.keys)
	}
}

func epoch(t testing.TB, r *follow.Reader) string {
	t.Helper()
	st, err := r.State(t.Context())
	must(t, err)
	return st.Epoch
}
