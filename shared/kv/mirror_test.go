package kv_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestGone(t *testing.T) {
	for name, c := range map[string]struct {
		header nats.Header
		want   bool
	}{
		"a value has no header":           {nil, false},
		"a value may have others":         {nats.Header{"Nats-TTL": {"13s"}}, false},
		"deleted":                         {nats.Header{"KV-Operation": {"DEL"}}, true},
		"purged":                          {nats.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}, true},
		"expired":                         {nats.Header{"Nats-Marker-Reason": {"MaxAge"}}, true},
		"an operation that is none":       {nats.Header{"KV-Operation": {"PUT"}}, false},
		"the last of several is believed": {nats.Header{"KV-Operation": {"DEL", "PUT"}}, false},
		"a name in another case is another's header": {nats.Header{"Kv-Operation": {"DEL"}}, false},
	} {
		if got := kv.Gone(c.header); got != c.want {
			t.Errorf("%s: Gone(%v) = %v, want %v", name, c.header, got, c.want)
		}
	}
}

// numbers mirrors a bucket of numbers; its changes come on the channel.
func numbers(t *testing.T, nc *nats.Conn) (*kv.Mirror[int], chan kv.Change[int]) {
	t.Helper()
	changes := make(chan kv.Change[int], 10_000)
	m, err := kv.Listen(t.Context(), nc, kv.MirrorConfig[int]{
		Bucket:  subject.Gateways,
		Read:    func(value []byte) (int, error) { return strconv.Atoi(string(value)) },
		Changed: func(c kv.Change[int]) { changes <- c },
	}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return m, changes
}

// kept serves m until the test ends.
func kept(t *testing.T, m *kv.Mirror[int]) {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Serve returned %v, want nil", err)
		}
	})
}

func keyValue(t *testing.T, nc *nats.Conn) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	b, err := js.KeyValue(t.Context(), subject.Tree{}.Bucket(subject.Gateways))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, b jetstream.KeyValue, key, value string) {
	t.Helper()
	if _, err := b.PutString(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

func TestAMirrorHoldsWhatTheBucketDid(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	bucket(t, nc)
	b := keyValue(t, nc)
	put(t, b, "a", "1")
	put(t, b, "b", "2")
	put(t, b, "b", "3")
	put(t, b, "gone", "4")
	put(t, b, "bad", "five")
	if err := b.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	m, _ := numbers(t, nc)
	if got, want := m.All(), map[string]int{"a": 1, "b": 3}; !maps.Equal(got, want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
	if !m.Whole() {
		t.Error("Whole() = false after Listen, want true")
	}
}

func TestAMirrorHearsEveryChange(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	bucket(t, nc)
	b := keyValue(t, nc)
	m, changes := numbers(t, nc)
	kept(t, m)
	expect := func(want kv.Change[int]) {
		t.Helper()
		if got := <-changes; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	put(t, b, "a", "1")
	expect(kv.Change[int]{Key: "a", Is: 1, Has: true, Cause: kv.Written})
	put(t, b, "a", "2")
	expect(kv.Change[int]{Key: "a", Was: 1, Is: 2, Had: true, Has: true, Cause: kv.Written})
	put(t, b, "a", "two")
	expect(kv.Change[int]{Key: "a", Was: 2, Had: true, Cause: kv.Deleted})
	put(t, b, "a", "3")
	expect(kv.Change[int]{Key: "a", Is: 3, Has: true, Cause: kv.Written})
	if err := b.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	expect(kv.Change[int]{Key: "a", Was: 3, Had: true, Cause: kv.Deleted})
	if err := b.Delete(t.Context(), "a"); err != nil { // nothing that anybody need hear
		t.Fatal(err)
	}
	if _, err := b.Create(t.Context(), "b", []byte("4"), jetstream.KeyTTL(time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(kv.Change[int]{Key: "b", Is: 4, Has: true, Cause: kv.Written})
	expect(kv.Change[int]{Key: "b", Was: 4, Had: true, Cause: kv.Expired})
	if _, ok := m.Value("b"); ok {
		t.Error("Value(b) is there after it expired")
	}
}

func TestAMirrorIsWholeAgainAfterACut(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	bucket(t, nc)
	b := keyValue(t, nc)
	put(t, b, "a", "1")
	put(t, b, "b", "2")
	wire := natstest.NewWire(t, s)
	m, changes := numbers(t, wire.Conn(t))
	kept(t, m)
	<-changes
	<-changes
	wire.Cut()
	if err := b.Purge(t.Context(), "a", jetstream.PurgeTTL(time.Minute)); err != nil {
		t.Fatal(err)
	}
	put(t, b, "b", "3")
	wire.Mend()
	<-changes
	<-changes
	if got, want := m.All(), map[string]int{"b": 3}; !maps.Equal(got, want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
}

func TestABucketThatIsMadeAnewIsReadAnew(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	bucket(t, nc)
	b := keyValue(t, nc)
	put(t, b, "old", "1")
	put(t, b, "both", "2")
	m, changes := numbers(t, nc)
	kept(t, m)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), subject.Tree{}.Bucket(subject.Gateways)); err != nil {
		t.Fatal(err)
	}
	bucket(t, nc)
	put(t, b, "both", "3")
	for c := range changes {
		if c.Is == 3 {
			break
		}
	}
	if got, want := m.All(), map[string]int{"both": 3}; !maps.Equal(got, want) {
		t.Errorf("All() = %v, want %v", got, want)
	}
	for !m.Whole() { // the position moves just after the change is told
		runtime.Gosched()
	}
}

func TestAMirrorIsReadByManyWhileItChanges(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	bucket(t, nc)
	m, changes := numbers(t, nc)
	kept(t, m)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					m.All()["mine"] = 1 // a copy: nobody else sees it
					m.Value("1")
					m.Whole()
				}
			}
		})
	}
	b := keyValue(t, nc)
	for i := range 200 {
		put(t, b, fmt.Sprint(i%10), fmt.Sprint(i))
		if c := <-changes; c.Is != i {
			t.Fatalf("change %d is %+v", i, c)
		}
	}
	close(done)
	wg.Wait()
}

// TestARecordWhoseHeadersEndEarlyIsTheSameToAll: who hears it cannot read it,
// and reads it back as who comes later does.
func TestARecordWhoseHeadersEndEarlyIsTheSameToAll(t *testing.T) {
	s, nc := natstest.Mesh(t)
	early, changes := numbers(t, nc)
	kept(t, early)
	natstest.Raw(t, s, "$KV.HUB_GATEWAYS.g1", "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"+strings.Repeat("A: b\r\n", 20)+"\r\n", "7")
	if c := <-changes; c.Key != "g1" || c.Is != 7 {
		t.Errorf("heard %+v, want g1 to be 7", c)
	}
	late, _ := numbers(t, nc)
	kept(t, late)
	if !maps.Equal(early.All(), late.All()) {
		t.Errorf("who came early holds %v, who came late %v", early.All(), late.All())
	}
}
