package follow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// patient is a reader that waits for answers as long as a slow machine takes.
func patient(nc *nats.Conn) *follow.Reader {
	cfg := events()
	cfg.Wait = time.Minute
	return follow.NewReader(nc, cfg)
}

// numbered stores so many entries, the nth with body n of some length.
func numbered(t testing.TB, js jetstream.JetStream, count, length int) {
	t.Helper()
	for n := range count {
		put(t, js, "1", fmt.Sprintf("%0*d", length, n+1))
	}
}

func TestPickedEntriesComeInTheirOrder(t *testing.T) {
	_, nc := natstest.Mesh(t)
	numbered(t, stream(t, nc), 500, 10)
	r := patient(nc)
	for name, seqs := range map[string][]uint64{
		"none":          nil,
		"one":           {500},
		"some far away": {1, 7, 120, 121, 400, 499},
		"all":           upTo(500),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := r.Pick(t.Context(), seqs, 1<<20)
			must(t, err)
			if len(got) != len(seqs) {
				t.Fatalf("got %d entries, want %d", len(got), len(seqs))
			}
			for i, e := range got {
				if e.Seq != seqs[i] || e.Subject != "hub.event.task.1" || string(e.Data) != fmt.Sprintf("%010d", e.Seq) || e.Time.IsZero() {
					t.Errorf("place %d: %+v, want %d", i, e, seqs[i])
				}
			}
		})
	}
}

func upTo(last uint64) (all []uint64) {
	for seq := range last {
		all = append(all, seq+1)
	}
	return all
}

func TestNoMoreIsPickedThanBytesSay(t *testing.T) {
	_, nc := natstest.Mesh(t)
	const mega = 1_000_000
	numbered(t, stream(t, nc), 20, mega)
	r := patient(nc)
	for bytes, want := range map[int]int{1: 1, mega: 1, mega + 1: 2, 5 * mega: 5, 100 * mega: 20} {
		got, err := r.Pick(t.Context(), upTo(20), bytes)
		must(t, err)
		if len(got) != want || got[0].Seq != 1 {
			t.Errorf("%d bytes: got %d entries, want %d", bytes, len(got), want)
		}
	}
}

func TestAnEntryThatIsGoneIsToldSo(t *testing.T) {
	_, nc := natstest.Mesh(t)
	js := stream(t, nc)
	edit(t, js, subject.Tree{}.Stream(subject.Events), func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 5 })
	numbered(t, js, 10, 1) // 6 to 10 are kept
	r := patient(nc)
	for name, seqs := range map[string][]uint64{"evicted": {5, 6}, "not stored yet": {10, 11}} {
		if got, err := r.Pick(t.Context(), seqs, 1<<20); !errors.Is(err, follow.ErrGone) {
			t.Errorf("%s: %v, %v; want ErrGone", name, got, err)
		}
	}
}

// TestAnEntryThatCannotBeReadIsAskedOfTheLeader: its publisher made sure that
// no client finds what the server says of it.
func TestAnEntryThatCannotBeReadIsAskedOfTheLeader(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js := stream(t, nc)
	put(t, js, "1", "honest")
	natstest.Raw(t, s, "hub.event.task.1", "NATS/1.0\r\nNats-Sequence: 3\r\n\r\n"+strings.Repeat("A: b\r\n", 20)+"\r\n", "early")
	natstest.Raw(t, s, "hub.event.task.1", "NATS/1.0 503\r\n\r\n", "")
	putMsg(t, js, &nats.Msg{Subject: "hub.event.task.1", Header: nats.Header{"Nats-Sequence": {"1"}}, Data: []byte("forged")})
	got, err := patient(nc).Pick(t.Context(), upTo(4), 1<<20)
	must(t, err)
	for i, want := range []string{"honest", "early", "", "forged"} {
		if e := got[i]; int(e.Seq) != i+1 || string(e.Data) != want {
			t.Errorf("place %d: %d %q, want %q", i, e.Seq, e.Data, want)
		}
	}
}

func TestPickingEndsWithAnErrorWithoutNATS(t *testing.T) {
	s := natstest.Server(t)
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	away := nc.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	if got, err := patient(nc).Pick(t.Context(), upTo(2), 1); err == nil {
		t.Errorf("got %v, want an error", got)
	}
}

// BenchmarkPick reads 100 entries that lie far apart.
func BenchmarkPick(b *testing.B) {
	_, nc := natstest.Mesh(b)
	js := stream(b, nc)
	edit(b, js, subject.Tree{}.Stream(subject.Events), func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = -1 })
	numbered(b, js, 5000, 200)
	var seqs []uint64
	for seq := uint64(1); seq <= 5000; seq += 50 {
		seqs = append(seqs, seq)
	}
	r := patient(nc)
	for b.Loop() {
		if got, err := r.Pick(b.Context(), seqs, 1<<20); err != nil || len(got) != len(seqs) {
			b.Fatal(len(got), err)
		}
	}
}
