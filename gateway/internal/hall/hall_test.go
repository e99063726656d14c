package hall_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/hall"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// plain spells an event as its data, and counts how often.
type plain struct{ spelt *int }

func (p plain) Spell(e frame.Event) []door.Packet {
	*p.spelt++
	return []door.Packet{{Data: e.Data}}
}

func framing(packets []door.Packet) []byte { return packets[0].Data }

// house is a hall, and where its log is.
type house struct {
	*hall.Hall
	t     testing.TB
	seq   uint64
	now   time.Time
	spelt *int
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{Hall: hall.New(framing), t: t, seq: 100, now: time.Unix(1_700_000_000, 0), spelt: new(int)}
	h.Place("e", h.seq)
	return h
}

func (h *house) ear() *hall.Ear {
	return &hall.Ear{Profile: plain{h.spelt}, Outbox: room.NewOutbox()}
}

// tells lets presence tell something of a user in task:1, which has so many
// users then, and returns where that stands in the log.
func (h *house) tells(user string, what wire.Change, users int) uint64 {
	h.t.Helper()
	h.seq++
	m := wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{Room: "task:1", User: user, Status: wire.Online, Change: what}, Users: users}
	h.Room(h.seq, "task.1", h.now, func() (wire.PresenceTold, bool) { return m, true })
	return h.seq
}

// tellsMesh is tells of ann in the mesh.
func (h *house) tellsMesh(what wire.Change) {
	h.t.Helper()
	h.seq++
	m := wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{User: "ann", Change: what}}
	h.User(h.seq, "user.ann", func() (wire.PresenceTold, bool) { return m, true })
}

func (h *house) begin(e *hall.Ear) *hall.Seat { return h.Begin(e, "task.1", "task:1") }

// enter lets a connection hear of task:1 from a roster on that knows all.
func (h *house) enter(e *hall.Ear) {
	h.t.Helper()
	if !h.Enter(h.begin(e), h.seq) {
		h.t.Fatal("Enter with a roster that knows all = false")
	}
}

// heard is what a connection has heard since it was last asked: of many in one
// message, in brackets.
func heard(t testing.TB, e *hall.Ear) string {
	t.Helper()
	lines, _, _ := e.Outbox.Take(nil, 1<<30)
	var all []string
	for _, l := range lines {
		var m struct {
			wire.PresenceUpdate
			Changes []wire.PresenceUpdate `json:"changes"`
		}
		if err := json.Unmarshal(l, &m); err != nil {
			all = append(all, string(l))
			continue
		}
		if m.Changes == nil {
			all = append(all, m.User+" "+string(m.Change))
			continue
		}
		var some []string
		for _, c := range m.Changes {
			some = append(some, c.User+" "+string(c.Change))
		}
		all = append(all, "["+strings.Join(some, ", ")+"]")
	}
	return strings.Join(all, ", ")
}

func (h *house) wantHeard(e *hall.Ear, want string) {
	h.t.Helper()
	if got := heard(h.t, e); got != want {
		h.t.Fatalf("heard %q, want %q", got, want)
	}
}

func TestWhatIsHeardJoinsTheRoster(t *testing.T) {
	h := newHouse(t)
	before := h.tells("before", wire.Joined, 1)
	e := h.ear()
	s := h.begin(e)
	in := h.tells("in", wire.Joined, 2)
	h.tells("after", wire.Joined, 3)
	if h.Joins(s, "e", before-1) || h.Joins(s, "other", in) || !h.Joins(s, "e", in) {
		t.Error("Joins says something else than that the roster knows what was told before Begin")
	}
	h.wantHeard(e, "")
	if !h.Enter(s, in) {
		t.Error("Enter = false, want a whole story")
	}
	h.wantHeard(e, "after join")
	h.tells("live", wire.Left, 2)
	h.wantHeard(e, "live leave")
}

func TestARosterThatIsAheadIsNotToldTwice(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	if !h.Enter(h.begin(e), h.seq+2) {
		t.Error("Enter = false, want a whole story")
	}
	h.tells("ann", wire.Joined, 1)
	h.tells("bob", wire.Joined, 2)
	h.wantHeard(e, "")
	h.tells("ann", wire.Left, 1)
	h.wantHeard(e, "ann leave")
}

func TestWhoIsToldARosterAnewHearsNothingBetween(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	h.enter(e)
	h.tells("ann", wire.Joined, 1)
	h.wantHeard(e, "ann join")
	s := h.begin(e)
	in := h.tells("bob", wire.Joined, 2)
	h.tells("ann", wire.Left, 1)
	h.wantHeard(e, "")
	h.Enter(s, in)
	h.wantHeard(e, "ann leave")
}

func TestWithoutARosterNothingIsMissedOfWhatWasHeardBefore(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	h.enter(e)
	s := h.begin(e)
	h.tells("ann", wire.Joined, 1)
	h.Enter(s, 0)
	h.wantHeard(e, "ann join")
	h.tells("ann", wire.Left, 0)
	h.wantHeard(e, "ann leave")
}

func TestOfTwoRostersTheLastCounts(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	s := h.begin(e)
	if h.begin(e) != s {
		t.Fatal("a second Begin gives another seat")
	}
	h.tells("ann", wire.Joined, 1)
	second := h.tells("bob", wire.Joined, 2)
	h.Enter(s, second)
	h.wantHeard(e, "")
	h.Enter(s, second-1)
	h.wantHeard(e, "bob join")
}

func TestWhoHasLeftHearsNothing(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	s := h.begin(e)
	h.Leave(e, "task.1")
	h.tells("ann", wire.Joined, 1)
	h.Enter(s, h.seq)
	h.tells("bob", wire.Joined, 2)
	h.wantHeard(e, "")

	again := h.begin(e)
	h.Enter(s, h.seq) // the roster of before it left
	h.tells("eve", wire.Joined, 3)
	h.wantHeard(e, "")
	h.Enter(again, h.seq-1)
	h.wantHeard(e, "eve join")
	h.Remove(e)
	h.tells("eve", wire.Left, 2)
	h.wantHeard(e, "")
	if rooms, users := h.Len(); rooms+users != 0 {
		t.Errorf("%d rooms and %d users are left behind", rooms, users)
	}
}

func TestWhoWatchesAUserHearsOfHimInTheMesh(t *testing.T) {
	h := newHouse(t)
	own, other := h.ear(), h.ear()
	h.Watch(own, "user.ann", "user:ann", true)
	h.Watch(other, "user.ann", "user:ann", false)
	h.tellsMesh(wire.Joined) // his own connection knows that he is here
	h.tellsMesh(wire.Changed)
	h.tellsMesh(wire.Left)
	h.tellsMesh(wire.Joined)
	h.tellsMesh(wire.Joined)
	h.wantHeard(own, "ann status, ann leave, ann join")
	h.wantHeard(other, "ann join, ann status, ann leave, ann join, ann join")
	h.Leave(own, "user.ann") // the room he cannot leave
	h.Leave(other, "user.ann")
	h.tellsMesh(wire.Changed)
	h.wantHeard(own, "ann status")
	h.wantHeard(other, "")
}

func TestALargeRoomHearsOneMessageASecond(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	h.enter(e)
	h.tells("u1", wire.Joined, 1000)
	h.wantHeard(e, "u1 join")
	h.tells("u2", wire.Joined, 1001)
	h.wantHeard(e, "[u2 join]")
	h.tells("u3", wire.Joined, 1002)
	h.tells("u3", wire.Left, 1001)
	h.tells("u2", wire.Left, 1000) // in order, though the room is smaller now
	h.wantHeard(e, "")
	if next := h.Flush(h.now); !next.Equal(h.now.Add(time.Second)) {
		t.Errorf("Flush at once = %v, want to be called a second later", next)
	}
	h.now = h.now.Add(time.Second)
	if next := h.Flush(h.now); !next.IsZero() {
		t.Errorf("Flush of everything = %v, want that it need not be called", next)
	}
	h.wantHeard(e, "[u3 join, u3 leave, u2 leave]")
	h.tells("u1", wire.Left, 999)
	h.wantHeard(e, "u1 leave")
}

func TestWhoEntersALargeRoomHearsOfThatOnceToo(t *testing.T) {
	h := newHouse(t)
	old := h.ear()
	h.enter(old)
	h.tells("u1", wire.Joined, 2000)
	h.tells("u2", wire.Joined, 2001)

	e := h.ear()
	s := h.begin(e)
	in := h.tells("u3", wire.Joined, 2002)
	h.now = h.now.Add(time.Second)
	h.Flush(h.now) // while the roster is on its way
	h.tells("u4", wire.Joined, 2003)
	h.Enter(s, in-1) // it knows u2, and neither u3, that was told to all, nor u4
	h.tells("u5", wire.Joined, 2004)
	h.now = h.now.Add(time.Second)
	h.Flush(h.now)
	h.wantHeard(old, "[u1 join], [u2 join, u3 join], [u4 join, u5 join]")
	h.wantHeard(e, "[u3 join], [u4 join, u5 join]")
}

func TestARosterInTheMiddleOfWhatIsGathered(t *testing.T) {
	h := newHouse(t)
	h.enter(h.ear())
	h.tells("u1", wire.Joined, 2000)
	h.tells("u2", wire.Joined, 2001)
	in := h.tells("u3", wire.Joined, 2002)
	h.tells("u4", wire.Joined, 2003)
	e, late := h.ear(), h.ear()
	h.Enter(h.begin(e), in)
	h.Enter(h.begin(late), h.seq)
	h.now = h.now.Add(time.Second)
	h.Flush(h.now)
	h.wantHeard(e, "[u4 join]")
	h.wantHeard(late, "")
}

func TestSilenceDoesNotLoseWhatIsGathered(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	h.enter(e)
	h.tells("u1", wire.Joined, 2000)
	h.tells("u2", wire.Joined, 2001)
	s := h.begin(e)
	h.now = h.now.Add(time.Second)
	h.Flush(h.now)
	h.Enter(s, 0)
	h.wantHeard(e, "[u1 join], [u2 join]")
}

func TestTooMuchForOneWhoEnters(t *testing.T) {
	h := newHouse(t)
	e := h.ear()
	s, in := h.begin(e), h.seq
	for i := range 5000 {
		h.tells(fmt.Sprint("u", i), wire.Joined, 1)
	}
	if h.Joins(s, "e", in) {
		t.Error("a roster joins what is not kept any more")
	}
	if h.Enter(s, in) {
		t.Error("Enter = true with a roster from before what is kept")
	}
}

func TestAnotherLogEndsThoseWhoWereToldRosters(t *testing.T) {
	h := newHouse(t)
	in, waits, watches := h.ear(), h.ear(), h.ear()
	h.enter(in)
	s := h.begin(waits)
	h.Watch(watches, "user.ann", "user:ann", false)
	h.Reset("f", 3, func(_, of int) frame.Event {
		return frame.Event{Data: fmt.Appendf(nil, "bye of %d", of)}
	}, frame.Restart)
	for _, e := range []*hall.Ear{in, waits} {
		h.wantHeard(e, "bye of 2")
		if end, ended := e.Outbox.End(); !ended || end != frame.Restart {
			t.Errorf("it ended with %v, %v, want a restart", end, ended)
		}
	}
	if _, ended := watches.Outbox.End(); ended {
		t.Error("one who was told no roster has ended")
	}
	if h.Joins(s, "e", 1000) {
		t.Error("a roster of the log before joins")
	}
}

// TestTenThousandWhoComeAtOnceAreNotToldTheSquare counts messages: each of ten
// thousand hears of all who come after it, within ten seconds, into a room of a
// thousand.
func TestTenThousandWhoComeAtOnceAreNotToldTheSquare(t *testing.T) {
	const members = 10_000
	h := newHouse(t)
	told := 0
	ears := make([]*hall.Ear, 0, members)
	for i := range members {
		e := h.ear()
		ears = append(ears, e)
		h.tells(fmt.Sprint("u", i), wire.Joined, 1001+i)
		s := h.begin(e)
		h.Enter(s, h.seq)
		if i%(members/10) == 0 {
			h.now = h.now.Add(time.Second)
			h.Flush(h.now)
			told += h.Told()
			for _, e := range ears {
				e.Outbox.Take(nil, 1<<30)
			}
		}
	}
	for next := h.Flush(h.now); !next.IsZero(); next = h.Flush(h.now) {
		h.now = next
	}
	told += h.Told()
	if most := 12 * members; told < members || told > most {
		t.Errorf("%d messages were told, want up to %d of the %d that it would be one by one", told, most, members*members/2)
	}
	t.Logf("%d messages, spelt %d times", told, *h.spelt)
}

func ExampleHall() {
	h := hall.New(func(p []door.Packet) []byte { return p[0].Data })
	h.Place("e", 10)
	bob := &hall.Ear{Profile: plain{new(int)}, Outbox: room.NewOutbox()}
	seat := h.Begin(bob, "task.42", "task:42")
	// Presence is asked for the roster, and answers what was told up to 12.
	h.Enter(seat, 12)
	h.Room(13, "task.42", time.Now(), func() (wire.PresenceTold, bool) {
		return wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{Room: "task:42", User: "ann", Status: wire.Online, Connections: 1, Change: wire.Joined}}, true
	})
	lines, _, _ := bob.Outbox.Take(nil, 1<<20)
	fmt.Println(string(slices.Concat(lines...)))
	// Output: {"room":"task:42","user":"ann","status":"online","connections":1,"change":"join"}
}

func BenchmarkAWordForNobodyHere(b *testing.B) {
	h := newHouse(b)
	b.ReportAllocs()
	for b.Loop() {
		h.tells("ann", wire.Joined, 10)
	}
}

func BenchmarkAWordForAThousand(b *testing.B) {
	h := newHouse(b)
	ears := make([]*hall.Ear, 1000)
	for i := range ears {
		ears[i] = h.ear()
		h.enter(ears[i])
	}
	var buf [][]byte
	for b.Loop() {
		h.tells("ann", wire.Joined, 10)
		b.StopTimer()
		for _, e := range ears {
			buf, _, _ = e.Outbox.Take(buf[:0], 1<<30)
		}
		b.StartTimer()
	}
}
