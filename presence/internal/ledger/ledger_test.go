package ledger_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestARecordIsStoredAfterTheOneItReplacesOrNotAtAll(t *testing.T) {
	_, nc := natstest.Mesh(t)
	l, err := ledger.New(nc, "r1")
	if err != nil {
		t.Fatal(err)
	}
	tree := subject.Tree{}
	subj := tree.Tell(subject.Room{}, "ann")
	newest := func() kv.Record {
		r, err := kv.Newest(t.Context(), nc, tree.Stream(subject.Tellings), subj)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, err := l.Store(t.Context(), ledger.Record{Subject: subj, Body: "one"})
	if err != nil || first != 1 {
		t.Fatalf("the first is stored at %d, %v, want 1", first, err)
	}
	if _, err := l.Store(t.Context(), ledger.Record{Subject: subj, Body: "two"}); !kv.Raced(err) {
		t.Errorf("where there must be none there is one: %v, want a lost race", err)
	}
	if _, err := l.Store(t.Context(), ledger.Record{Subject: subj, Body: "two", After: first}); err != nil {
		t.Errorf("after the one that is there: %v", err)
	}
	if r := newest(); string(r.Value) != `"two"` || !l.Mine(r.Header) || r.Free() {
		t.Errorf("there stands %s, want two, and ours", r.Value)
	}
	if _, err := l.Store(t.Context(), ledger.Record{Subject: subj, After: ledger.Any, Gone: true, Stays: time.Minute}); err != nil {
		t.Errorf("whatever is there: %v", err)
	}
	if r := newest(); !r.Free() {
		t.Errorf("there stands %s, want what has gone", r.Value)
	}
}

func TestOneIDIsStoredOnce(t *testing.T) {
	_, nc := natstest.Mesh(t)
	l, err := ledger.New(nc, "r1")
	if err != nil {
		t.Fatal(err)
	}
	tree := subject.Tree{}
	r := ledger.Record{Subject: tree.Client(subject.Connected), Body: "a", After: ledger.Any, ID: "g1-1.start"}
	for range 3 {
		if seq, err := l.Store(t.Context(), r); err != nil || seq != 1 {
			t.Errorf("stored at %d, %v, want 1", seq, err)
		}
	}
}

// A word on one who has left ends without another record, or the log would
// never rest.
func TestTheEndOfAMarkerIsNoRecord(t *testing.T) {
	_, nc := natstest.Mesh(t)
	l, err := ledger.New(nc, "r1")
	if err != nil {
		t.Fatal(err)
	}
	tree := subject.Tree{}
	subj := tree.Tell(subject.Room{}, "ann")
	if _, err := l.Store(t.Context(), ledger.Record{Subject: subj, Body: "left", Gone: true, Stays: time.Second}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), tree.Stream(subject.Tellings))
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			if info.State.LastSeq != 1 {
				t.Errorf("the log's last is %d, want 1: no record of its end", info.State.LastSeq)
			}
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("after a minute there are %d records", info.State.Msgs)
		}
	}
}
