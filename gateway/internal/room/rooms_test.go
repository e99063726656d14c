package room_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// dialect spells an event as its name and offset, behind the dialect's own
// name, and counts.
type dialect struct {
	name  string
	spelt *int
}

func (d dialect) Spell(e frame.Event) []door.Packet {
	*d.spelt++
	return []door.Packet{{Data: []byte(d.name + e.Name + "@" + strconv.FormatUint(e.Offset, 10))}}
}

// unframed is a transport without framing.
func unframed(packets []door.Packet) []byte {
	var b []byte
	for _, p := range packets {
		b = append(b, p.Data...)
	}
	return b
}

func newMember(id string, p door.Profile) *room.Member {
	return &room.Member{ID: id, Profile: p, Outbox: room.NewOutbox()}
}

func newRooms(members ...*room.Member) *room.Rooms {
	r := room.New(unframed)
	for _, m := range members {
		r.Add(m, nil, silent)
	}
	return r
}

// reading is an event that reads itself as what is given.
func reading(name string, offset uint64, except string) room.Read {
	return func() (frame.Event, string, bool) { return frame.Event{Name: name, Offset: offset}, except, true }
}

func logged(offset uint64, key string) *room.Entry {
	return room.NewEntry(offset, key, 1, reading("e", offset, ""))
}

func silent(frame.Position) []*room.Line { return nil }

// at is what a member is told on entering: the position.
func at(p frame.Position) []*room.Line {
	return []*room.Line{{Wire: []byte("at@" + strconv.FormatUint(p.Offset, 10))}}
}

// heard takes all that waits for a member.
func heard(m *room.Member) (all []string) {
	for {
		lines, _, _ := m.Outbox.Take(nil, 1<<30)
		if len(lines) == 0 {
			return all
		}
		for _, l := range lines {
			all = append(all, string(l))
		}
	}
}

func wantHeard(t *testing.T, m *room.Member, want ...string) {
	t.Helper()
	if got := heard(m); !slices.Equal(got, want) {
		t.Errorf("%s heard %v, want %v", m.ID, got, want)
	}
}

func TestMembersHearTheirRoomsAndNoOther(t *testing.T) {
	p := dialect{spelt: new(int)}
	a, b := newMember("a", p), newMember("b", p)
	r := newRooms(a, b)
	r.Log(logged(4, "task.1"))
	r.Enter(a, []string{"task.1", "task.2"}, at)
	r.Enter(b, []string{"task.2"}, at)
	if told := r.Log(logged(5, "task.1")); told != 1 {
		t.Errorf("Log told %d, want 1", told)
	}
	if told := r.Tell("task.2", reading("s", 0, "")); told != 2 {
		t.Errorf("Tell told %d, want 2", told)
	}
	r.Log(logged(6, "task.3"))
	r.Leave(a, []string{"task.2", "task.9"})
	r.Log(logged(7, "task.2"))
	r.Remove(b)
	if told := r.Log(logged(8, "task.2")); told != 0 {
		t.Errorf("Log told %d when all had left, want 0", told)
	}
	wantHeard(t, a, "at@4", "e@5", "s@0")
	wantHeard(t, b, "at@4", "s@0", "e@7")
	if keys := r.Keys(); !slices.Equal(keys, []string{"task.1"}) || r.Len() != 1 {
		t.Errorf("rooms %v with %d connections are left, want task.1 and 1", keys, r.Len())
	}
}

func TestAnEventIsSpeltOnceForEachDialect(t *testing.T) {
	x, y := dialect{"x:", new(int)}, dialect{"y:", new(int)}
	var members []*room.Member
	for i := range 20 {
		p := x
		if i%2 == 1 {
			p = y
		}
		members = append(members, newMember(strconv.Itoa(i), p))
	}
	r := newRooms(members...)
	for _, m := range members {
		r.Enter(m, []string{"task.1"}, silent)
	}
	r.Log(logged(1, "task.1"))
	if *x.spelt != 1 || *y.spelt != 1 {
		t.Errorf("spelt %d and %d times, want once each", *x.spelt, *y.spelt)
	}
	first, _, _ := members[0].Outbox.Take(nil, 1<<30)
	third, _, _ := members[2].Outbox.Take(nil, 1<<30)
	if &first[0][0] != &third[0][0] {
		t.Error("two members of one dialect have bytes of their own")
	}
	wantHeard(t, members[1], "y:e@1")
	r.Log(logged(2, "task.2"))
	if *x.spelt != 1 {
		t.Error("an event that nobody hears was spelt")
	}
}

func TestAnEventThatNobodyHearsIsNotRead(t *testing.T) {
	r := newRooms()
	told := r.Tell("task.1", func() (frame.Event, string, bool) {
		t.Error("it was read")
		return frame.Event{}, "", true
	})
	if told != 0 {
		t.Errorf("told %d, want 0", told)
	}
}

func TestWhoIsExceptedDoesNotHear(t *testing.T) {
	p := dialect{spelt: new(int)}
	a, b := newMember("a", p), newMember("b", p)
	r := newRooms(a, b)
	for _, m := range []*room.Member{a, b} {
		r.Enter(m, []string{"task.1"}, silent)
	}
	if told := r.Log(room.NewEntry(1, "task.1", 1, reading("e", 1, "a"))); told != 1 {
		t.Errorf("told %d, want 1", told)
	}
	r.Tell("task.1", reading("s", 0, "b"))
	r.Tell("task.1", func() (frame.Event, string, bool) { return frame.Event{}, "", false })
	wantHeard(t, a, "s@0")
	wantHeard(t, b, "e@1")
}

func TestOneConnectionIsSpokenTo(t *testing.T) {
	a := newMember("a", dialect{spelt: new(int)})
	r := newRooms(a)
	if !r.TellOne("a", frame.Event{Name: "n"}) || r.TellOne("b", frame.Event{}) {
		t.Error("want true for a, who is here, and false for b, who is not")
	}
	a.Outbox.Finish(frame.Restart)
	if r.TellOne("a", frame.Event{}) {
		t.Error("want false for a connection that is being closed")
	}
	wantHeard(t, a, "n@0")
}

func TestWhoHasEndedEntersNothing(t *testing.T) {
	a := newMember("a", dialect{spelt: new(int)})
	r := newRooms(a)
	r.Remove(a)
	r.Enter(a, []string{"task.1"}, at)
	if keys := r.Keys(); len(keys) != 0 {
		t.Errorf("it is in %v", keys)
	}
	wantHeard(t, a)
}

// TestNobodyGoesOnOverASkip dismisses the members of all rooms that are not
// known to be whole, also of one that is in a whole one too, and leaves the
// rest at the new position.
func TestNobodyGoesOnOverASkip(t *testing.T) {
	p := dialect{spelt: new(int)}
	both, lost, whole, idle := newMember("both", p), newMember("lost", p), newMember("whole", p), newMember("idle", p)
	r := newRooms(both, lost, whole, idle)
	r.Move(frame.Position{Epoch: "one", Offset: 5})
	r.Enter(both, []string{"task.1", "task.2"}, silent)
	r.Enter(lost, []string{"task.1"}, silent)
	r.Enter(whole, []string{"task.2"}, silent)
	counts := map[int]bool{}
	r.Skip(frame.Position{Epoch: "one", Offset: 9}, map[string]bool{"task.2": true}, func(n, of int) frame.Event {
		if of != 2 {
			t.Errorf("dismissed %d, want 2", of)
		}
		counts[n] = true
		return frame.Event{Name: "bye"}
	}, frame.Restart)
	if !counts[0] || !counts[1] {
		t.Errorf("counted %v, want 0 and 1", counts)
	}
	r.Log(logged(10, "task.1"))
	r.Log(logged(11, "task.2"))
	r.Enter(idle, []string{"task.1"}, at)
	wantHeard(t, both, "bye@0")
	wantHeard(t, lost, "bye@0")
	wantHeard(t, whole, "e@11")
	wantHeard(t, idle, "at@11")
	for _, m := range []*room.Member{both, lost} {
		if e, ended := m.Outbox.End(); !ended || e != frame.Restart {
			t.Errorf("%s: End() = %v, %v; want restart", m.ID, e, ended)
		}
	}
	r.Skip(frame.Position{Epoch: "two", Offset: 0}, nil, func(int, int) frame.Event { return frame.Event{Name: "bye"} }, frame.Restart)
	r.Enter(idle, nil, func(p frame.Position) []*room.Line {
		if p != (frame.Position{Epoch: "two"}) {
			t.Errorf("position %v after a skip to another log", p)
		}
		return nil
	})
	wantHeard(t, whole, "bye@0")
}

func TestSettleWaitsForWhoIsSlowAndOnceForWhoIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dialect{spelt: new(int)}
		slow, stuck := newMember("slow", p), newMember("stuck", p)
		r := newRooms(slow, stuck, newMember("idle", p))
		settle := func(want time.Duration) {
			t.Helper()
			begin := time.Now()
			r.Settle(t.Context(), time.Second)
			if took := time.Since(begin); took != want {
				t.Errorf("settled after %v, want %v", took, want)
			}
		}
		fill := func(m *room.Member) {
			for range room.MaxWaitingLines/2 + 1 {
				m.Outbox.Offer(line(event, "x", 1))
			}
		}
		settle(0)
		fill(slow)
		drained := time.AfterFunc(300*time.Millisecond, func() { heard(slow) })
		defer drained.Stop()
		settle(300 * time.Millisecond)
		fill(stuck)
		settle(time.Second)
		settle(0)
		heard(stuck)
		fill(stuck)
		settle(time.Second)

		fill(slow)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		r.Settle(ctx, time.Hour)
		if ctx.Err() == nil {
			t.Error("settled while a client was slow")
		}
	})
}
