package relay

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// spread stores so many events in task:a, each followed by 299 of another room.
func (b *bus) spread(t *testing.T, count int) (offsets []uint64) {
	t.Helper()
	for range count {
		offsets = append(offsets, b.put(t, &nats.Msg{Subject: "hub.event.task.a", Data: []byte("1")}))
		for range 298 {
			if _, err := b.js.PublishMsgAsync(&nats.Msg{Subject: "hub.event.task.b", Data: []byte("2")}); err != nil {
				t.Fatal(err)
			}
		}
		b.put(t, &nats.Msg{Subject: "hub.event.task.b", Data: []byte("2")})
	}
	return offsets
}

// picked is the offsets of task:a after one that are picked, and how far that
// goes.
func (b *bus) picked(t *testing.T, after uint64) (offsets []uint64, upTo uint64) {
	t.Helper()
	st, err := b.reader.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, upTo, err := b.pickEntries(t.Context(), st, "hub.event.task.a", after, judged())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got {
		offsets = append(offsets, e.Seq)
	}
	return offsets, upTo
}

// knows waits until the trails reach down to 0 and up to the end of the log.
func (b *bus) knows(t *testing.T) {
	t.Helper()
	st, err := b.reader.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "all rooms are known", func() bool {
		b.trails.mu.Lock()
		defer b.trails.mu.Unlock()
		after, upTo := b.trails.ring.Knows()
		return after == 0 && upTo == st.Last && !b.trails.at.IsZero()
	})
}

// patiently has answers of NATS waited for as long as a slow machine takes.
func patiently(c *Config) { c.Follow.Wait = patience }

func many() store.Config { return store.Config{EventMaxPerRoom: -1} }

// TestWhatLiesFarApartIsPicked from a gateway that heard it, and from one that
// began later and read back where it lies.
func TestWhatLiesFarApartIsPicked(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	setup(t, nc, many())
	early := newBus(t, nc, patiently)
	all := early.spread(t, 10)
	late := newBus(t, natstest.Conn(t, s), patiently)
	for name, b := range map[string]*bus{"early": early, "late": late} {
		t.Run(name, func(t *testing.T) {
			b.knows(t)
			for n, after := range append([]uint64{0}, all...) {
				got, upTo := b.picked(t, after)
				if fmt.Sprint(got) != fmt.Sprint(all[n:]) || upTo != 3000 {
					t.Errorf("after %d: picked %v up to %d, want %v up to 3000", after, got, upTo, all[n:])
				}
			}
			if got, upTo := b.picked(t, 3000); got != nil || upTo != 3000 {
				t.Errorf("after the end: picked %v up to %d", got, upTo)
			}
		})
	}
}

// retell has the trails know the log up to an offset, as if each of its entries
// had been heard: those at offsets as task:a's.
func (b *bus) retell(t *testing.T, upTo uint64, offsets []uint64) {
	t.Helper()
	newest, err := b.reader.Pick(t.Context(), []uint64{upTo}, 1)
	if err != nil {
		t.Fatal(err)
	}
	epoch, _ := b.follower.Position()
	b.trails.begin(epoch, 0)
	for seq := uint64(1); seq <= upTo; seq++ {
		e := follow.Entry{Seq: seq, Subject: "hub.event.task.b", Time: newest[0].Time}
		if slices.Contains(offsets, seq) {
			e.Subject = "hub.event.task.a"
		}
		b.trails.add(e)
	}
}

// TestWhatIsPickedAndReadIsOnePage: the trails know less than the log holds.
func TestWhatIsPickedAndReadIsOnePage(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	setup(t, nc, many())
	b := newBus(t, nc, patiently)
	all := b.spread(t, 5)
	b.knows(t)
	b.retell(t, 900, all)
	if got, upTo := b.picked(t, 0); fmt.Sprint(got) != fmt.Sprint(all[:3]) || upTo != 900 {
		t.Fatalf("picked %v up to %d, want %v up to 900", got, upTo, all[:3])
	}
	st, err := b.reader.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.readEntries(t.Context(), st, "hub.event.task.a", 0, judged())
	if err != nil || p.upTo != 1500 {
		t.Fatalf("a page up to %d, %v; want up to 1500", p.upTo, err)
	}
	var got []uint64
	for _, e := range p.entries {
		got = append(got, e.Offset)
	}
	if !slices.Equal(got, all) {
		t.Errorf("a page of %v, want %v", got, all)
	}
}

// TestNothingIsPickedOfWhatIsGone: it is read in order then, and judged as
// ever.
func TestNothingIsPickedOfWhatIsGone(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	setup(t, nc, store.Config{EventMaxPerRoom: 5})
	early := newBus(t, nc, patiently)
	all := early.spread(t, 8)
	early.knows(t)
	early.retell(t, 2400, all) // a gateway that was behind may have found some gone
	if got, upTo := early.picked(t, all[1]); got != nil || upTo != all[1] {
		t.Errorf("picked %v up to %d, though events behind %d are gone", got, upTo, all[1])
	}
	if got, _ := early.picked(t, all[3]); fmt.Sprint(got) != fmt.Sprint(all[4:]) {
		t.Errorf("picked %v, want %v", got, all[4:])
	}
	early.rooms.Move(position(early.rooms)) // it forgets what is in memory
	for n, want := range map[int]bool{0: false, 1: false, 2: false, 3: true, 7: true} {
		judged := make(chan bool, 1)
		since := frame.Position{Epoch: position(early.rooms).Epoch, Offset: all[n]}
		early.Judge(subject.Room{Type: "task", ID: "a"}, since, "", func(_ Span, recovered bool) { judged <- recovered })
		if got := <-judged; got != want {
			t.Errorf("since the %dth of 8, of which 5 are kept: recovered %v, want %v", n+1, got, want)
		}
	}
}

// TestNothingIsPickedOfAnotherLog: the newest entry that the trails know was
// stored at another time than the one that the log has there. So it is after
// the log has lost its end and was written on.
func TestNothingIsPickedOfAnotherLog(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	setup(t, nc, many())
	b := newBus(t, nc, patiently)
	all := b.spread(t, 3)
	b.knows(t)
	for what, change := range map[string]func(){
		"stored at another time": func() { b.trails.at = b.trails.at.Add(1) },
		"its time is not known":  func() { b.trails.at = time.Time{} },
		"of another epoch":       func() { b.trails.epoch = "another" },
	} {
		before, at, epoch := all[0], b.trails.at, b.trails.epoch
		if got, _ := b.picked(t, before); len(got) != 2 {
			t.Fatalf("picked %v, want two", got)
		}
		change()
		if got, upTo := b.picked(t, before); got != nil || upTo != before {
			t.Errorf("%s: picked %v up to %d", what, got, upTo)
		}
		b.trails.at, b.trails.epoch = at, epoch
	}
}
