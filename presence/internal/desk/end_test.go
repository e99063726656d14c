package desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/presence/internal/desk"
	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var quiet = slog.New(slog.DiscardHandler)

// begin runs a replica's desk until the test ends.
func begin(t *testing.T, nc *nats.Conn) *desk.Desk {
	t.Helper()
	l, err := ledger.New(nc, "r1")
	if err != nil {
		t.Fatal(err)
	}
	d, err := desk.Listen(t.Context(), nc, desk.Config{Now: time.Now}, l, meter.New(obs.NewRegistry()), quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = l.Serve(ctx) }) // both end with ctx
	serving.Go(func() { _ = d.Serve(ctx) })
	t.Cleanup(func() { cancel(); serving.Wait() })
	return d
}

// log writes to and reads streams as other replicas, now dead, have done.
type log struct {
	t  *testing.T
	js jetstream.JetStream
}

func open(t *testing.T, nc *nats.Conn) log {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return log{t, js}
}

func (l log) put(subj string, v any) {
	l.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.js.Publish(l.t.Context(), subj, body); err != nil {
		l.t.Fatal(err)
	}
}

// ended stores the record of a connection whose end is still to be recorded.
func (l log) ended(user, conn string) {
	l.t.Helper()
	l.put(subject.Tree{}.Key(subject.Here, user+".g1."+conn), wire.PresenceRecord{
		Turn: 2, Door: "native", IP: "192.0.2.1", Since: 1, End: &wire.PresenceEnd{At: 2, Reason: "closed"},
	})
}

// ends is how often HUB_CLIENTS has the end of each connection.
func (l log) ends() map[string]int {
	l.t.Helper()
	s, err := l.js.Stream(l.t.Context(), subject.Tree{}.Stream(subject.Clients))
	if err != nil {
		l.t.Fatal(err)
	}
	ends := map[string]int{}
	for seq := range s.CachedInfo().State.LastSeq {
		m, err := s.GetMsg(l.t.Context(), seq+1)
		if err != nil {
			l.t.Fatal(err)
		}
		var c wire.ClientRecord
		if err := json.Unmarshal(m.Data, &c); err != nil {
			l.t.Fatal(err)
		}
		if m.Subject == (subject.Tree{}).Client(subject.Disconnected) {
			ends[c.Connection]++
		}
	}
	return ends
}

// empty waits until a desk knows of no connection.
func empty(t *testing.T, d *desk.Desk) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		left := -1
		d.Read(func(k desk.Known) { _, left = k.Roster.Size() })
		if left == 0 {
			return
		}
		if time.Since(begun) > 90*time.Second {
			t.Fatalf("%d connections have not ended", left)
		}
	}
}

// A replica dies between the two records of an end. NATS knows the id of the
// first one for two minutes; these have no id, as if these were over.
func TestAnEndThatADeadReplicaHasRecordedIsNotRecordedAgain(t *testing.T) {
	_, nc := natstest.Mesh(t)
	l := open(t, nc)
	recorded := (subject.Tree{}).Client(subject.Disconnected)
	l.ended("ann", "g1-1")
	l.ended("bob", "g1-2")
	l.put(recorded, wire.ClientRecord{Connection: "g1-1", User: "ann", Gateway: "g1", At: 2})
	want := map[string]int{"g1-1": 1, "g1-2": 1}
	for i := range 1200 { // more than are read back at once, and then some
		conn := fmt.Sprintf("g2-%d", i)
		l.put(recorded, wire.ClientRecord{Connection: conn, User: "eve", Gateway: "g2", At: 3})
		want[conn] = 1
	}
	empty(t, begin(t, nc))
	if got := l.ends(); !maps.Equal(got, want) {
		t.Errorf("g1-1 has %d ends, g1-2 has %d, and all are of %d connections; want 1, 1, and %d",
			got["g1-1"], got["g1-2"], len(got), len(want))
	}
}

func TestAnEndIsRecordedThoughHubClientsIsEmpty(t *testing.T) {
	_, nc := natstest.Mesh(t)
	l := open(t, nc)
	l.ended("ann", "g1-1")
	empty(t, begin(t, nc))
	if got, want := l.ends(), map[string]int{"g1-1": 1}; !maps.Equal(got, want) {
		t.Errorf("ends are %v, want %v", got, want)
	}
}

// What a replica knows is looked at while it works on.
func Example() {
	who := func(d *desk.Desk, room string) (users []string, ok bool) {
		ok = d.Read(func(k desk.Known) {
			for user := range k.View.After(room, "") {
				users = append(users, user)
			}
		})
		return users, ok // not ok: a log is read anew, so ask another replica
	}
	_ = who
	fmt.Println("an end with grace lasts", desk.Grace)
	// Output: an end with grace lasts 5s
}
