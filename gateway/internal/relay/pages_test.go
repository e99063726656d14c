package relay

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// TestAPageIsReadOnceForAllPlacesInIt, and one that was read for a replay does
// not tell how much was missed. What came since it was read is counted too.
func TestAPageIsReadOnceForAllPlacesInIt(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	setup(t, nc, many())
	b := newBus(t, nc, patiently)
	const count = 300
	for range count {
		b.put(t, &nats.Msg{Subject: "hub.event.task.a", Data: []byte("1")})
	}
	heard := func(offset uint64) {
		t.Helper()
		reach(t, "all is heard", b.rooms, func(at frame.Position) bool { return at.Offset == offset })
	}
	heard(count)
	b.rooms.Move(position(b.rooms)) // it forgets what is in memory
	reads := func() uint64 {
		b.pages.mu.Lock()
		defer b.pages.mu.Unlock()
		return b.pages.reads
	}
	of, at := subject.Room{Type: "task", ID: "a"}, func(offset uint64) frame.Position {
		return frame.Position{Epoch: position(b.rooms).Epoch, Offset: offset}
	}
	replay := func(after uint64) (first, upTo uint64) {
		t.Helper()
		answered := make(chan string, 1)
		b.Replay(of, at(after), func(entries []*room.Entry, to uint64, err error) {
			for _, e := range entries {
				if first == 0 && e.Offset > after {
					first = e.Offset
				}
			}
			upTo = to
			answered <- fmt.Sprint(err)
		})
		if err := <-answered; err != "<nil>" {
			t.Fatal(err)
		}
		return first, upTo
	}
	for _, step := range []struct{ after, upTo, reads uint64 }{
		{0, room.PartEntries, 1}, {5, room.PartEntries, 1}, {room.PartEntries - 1, room.PartEntries, 1},
		{room.PartEntries, 2 * room.PartEntries, 2}, {0, room.PartEntries, 2}, {room.PartEntries + 1, 2 * room.PartEntries, 2},
	} {
		if first, upTo := replay(step.after); first != step.after+1 || upTo != step.upTo || reads() != step.reads {
			t.Errorf("after %d: from %d up to %d, read %d times; want up to %d, read %d times", step.after, first, upTo, reads(), step.upTo, step.reads)
		}
	}
	for _, after := range []uint64{0, 100, 250} {
		judged := make(chan Span, 1)
		b.Judge(of, at(after), "somebody", func(s Span, _ bool) { judged <- s })
		if s := <-judged; s.Events != int(count-after) || reads() != 3 {
			t.Errorf("since %d: missed %d, read %d times; want %d, read 3 times", after, s.Events, reads(), count-after)
		}
	}
	b.put(t, &nats.Msg{Subject: "hub.event.task.a", Data: []byte("1")})
	b.put(t, &nats.Msg{Subject: "hub.event.task.b", Data: []byte("1")})
	heard(count + 2)
	for _, step := range []struct {
		name   string
		forget bool
		reads  uint64
	}{
		{"memory tells what came after the page", false, 3},
		{"nothing does", true, 4},
	} {
		if step.forget {
			b.rooms.Move(at(count + 2))
		}
		judged := make(chan Span, 1)
		b.Judge(of, at(100), "somebody", func(s Span, _ bool) { judged <- s })
		if s := <-judged; s.Events != count+1-100 || s.UpTo != at(count+2) || reads() != step.reads {
			t.Errorf("%s: missed %d up to %d, read %d times; want %d up to %d, read %d times", step.name, s.Events, s.UpTo.Offset, reads(), count+1-100, count+2, step.reads)
		}
	}
}
