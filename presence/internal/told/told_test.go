package told_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/presence/internal/told"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var (
	users = []string{"ann", "bob", "eve"}
	rooms = []string{"", "task:1", "task:2"}
	start = time.Unix(1_700_000_000, 0)
)

// entry is one record of HUB_PRESENCE.
type entry struct {
	key roster.Key
	rec *wire.PresenceRecord
}

// logs is both logs as NATS keeps them: all that was ever stored.
type logs struct {
	here  []entry
	words []wire.PresenceTold
	last  map[roster.Touch]uint64 // the newest word on each
}

// tell stores a word if replaces is still the newest.
func (l *logs) tell(m wire.PresenceTold, replaces uint64) {
	of := roster.Touch{Room: m.Room, User: m.User}
	if l.last[of] != replaces {
		return
	}
	l.words = append(l.words, m)
	l.last[of] = uint64(len(l.words))
}

// replica is what one replica knows: both logs, up to positions of its own.
type replica struct {
	roster *roster.Roster
	view   *told.View
	here   int
	words  int
}

// begin is a replica that reads what is left of both logs.
func begin(l *logs) *replica {
	r := &replica{roster: roster.New(), view: told.New(), here: len(l.here), words: len(l.words)}
	newest := map[roster.Key]int{}
	for i, e := range l.here {
		newest[e.key] = i
	}
	for _, i := range slices.Sorted(maps.Values(newest)) {
		r.roster.Apply(uint64(i+1), l.here[i].key, l.here[i].rec)
	}
	for _, seq := range slices.Sorted(maps.Values(l.last)) {
		r.hear(l, seq)
	}
	return r
}

func (r *replica) hear(l *logs, seq uint64) {
	m := l.words[seq-1]
	r.view.Apply(seq, start.Add(time.Duration(seq)*time.Second), roster.Touch{Room: m.Room, User: m.User}, &m)
}

// step does one thing that a replica may do at any time.
func (r *replica) step(l *logs, rnd *rand.Rand) {
	switch {
	case rnd.IntN(3) == 0 && r.here < len(l.here):
		r.roster.Apply(uint64(r.here+1), l.here[r.here].key, l.here[r.here].rec)
		r.here++
	case rnd.IntN(2) == 0 && r.words < len(l.words):
		r.words++
		r.hear(l, uint64(r.words))
	default:
		r.tell(l, roster.Touch{Room: rooms[rnd.IntN(len(rooms))], User: users[rnd.IntN(len(users))]})
	}
}

func (r *replica) tell(l *logs, of roster.Touch) {
	is, here := r.roster.Visible(of)
	if m, replaces, verdict := r.view.Next(of, is, here, told.Position{Epoch: "e", Seq: uint64(r.here)}); verdict == told.Tell {
		if replaces == 0 && l.last[of] <= uint64(r.words) {
			replaces = l.last[of] // a leave that was heard and forgotten: its sequence is asked for
		}
		l.tell(m, replaces)
	}
}

// differs judges that a replica finds everyone of whom there is something to
// tell, or to wait for, and nobody else.
func (r *replica) differs(t *testing.T, seed uint64) {
	t.Helper()
	want := map[roster.Touch]bool{}
	for of := range all() {
		is, here := r.roster.Visible(of)
		if _, _, verdict := r.view.Next(of, is, here, told.Position{Epoch: "e", Seq: uint64(r.here)}); verdict != told.Known {
			want[of] = true
		}
	}
	got := map[roster.Touch]bool{}
	for of := range r.view.Differs(r.roster) {
		if got[of] {
			t.Fatalf("seed %d: Differs has %v twice", seed, of)
		}
		got[of] = true
	}
	if !maps.Equal(got, want) {
		t.Fatalf("seed %d: Differs has %v, want %v", seed, got, want)
	}
}

func TestReplicasThatLagAndDieTellEachDifferenceOnce(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := &logs{last: map[roster.Touch]uint64{}}
		replicas := []*replica{begin(l), begin(l), begin(l)}
		for range 600 {
			if rnd.IntN(5) == 0 {
				l.here = append(l.here, random(rnd))
			}
			i := rnd.IntN(len(replicas))
			if rnd.IntN(60) == 0 {
				replicas[i] = begin(l)
			}
			replicas[i].step(l, rnd)
			replicas[i].differs(t, seed)
		}
		for range 3 { // what is left to do, by whoever lives
			for i := range replicas {
				replicas[i] = begin(l)
				for of := range all() {
					replicas[i].tell(l, of)
				}
			}
		}
		judge(t, seed, l)
	}
}

// judge looks whether the words on each user tell a story that can be, and end
// with what is.
func judge(t *testing.T, seed uint64, l *logs) {
	t.Helper()
	truth := begin(l)
	for of := range all() {
		var face roster.Face
		here := false
		for _, m := range l.words {
			if (roster.Touch{Room: m.Room, User: m.User}) != of {
				continue
			}
			f := roster.Face{Status: m.Status, Text: m.Text, Data: string(m.Data), Info: string(m.Info)}
			switch {
			case m.Change == wire.Joined && here, m.Change != wire.Joined && !here, m.Change == wire.Changed && f == face:
				t.Fatalf("seed %d: %v was told %s when here was %v, and %v after %v", seed, of, m.Change, here, f, face)
			}
			face, here = f, m.Change != wire.Left
		}
		is, isHere := truth.roster.Visible(of)
		if here != isHere || here && face != is.Face {
			t.Fatalf("seed %d: %v was told last to be %v, %v; it is %v, %v", seed, of, here, face, isHere, is.Face)
		}
	}
}

func all() map[roster.Touch]bool {
	touches := map[roster.Touch]bool{}
	for _, room := range rooms {
		for _, user := range users {
			touches[roster.Touch{Room: room, User: user}] = true
		}
	}
	return touches
}

func random(rnd *rand.Rand) entry {
	e := entry{key: roster.Key{User: users[rnd.IntN(len(users))], Gateway: "g1", Conn: fmt.Sprintf("g1-%d", rnd.IntN(2))}}
	if rnd.IntN(3) == 0 {
		return e
	}
	e.rec = &wire.PresenceRecord{Turn: 1}
	for _, room := range rooms[1:] {
		if rnd.IntN(2) == 0 {
			e.rec.Rooms = append(e.rec.Rooms, room)
		}
	}
	if rnd.IntN(2) == 0 {
		e.rec.Status = &wire.UserStatus{Status: []string{wire.Away, wire.Invisible}[rnd.IntN(2)]}
		e.rec.StatusAt = rnd.Int64N(9)
	}
	return e
}

func TestWhoIsBehindTheLastWordSaysNothing(t *testing.T) {
	v, of := told.New(), roster.Touch{Room: "task:1", User: "ann"}
	v.Apply(1, start, of, &wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{Room: "task:1", User: "ann", Status: wire.Online, Change: wire.Joined}, Epoch: "e", Log: 10})
	for name, c := range map[string]struct {
		at   told.Position
		want told.Verdict
	}{
		"behind":                {told.Position{Epoch: "e", Seq: 9}, told.Behind},
		"as far":                {told.Position{Epoch: "e", Seq: 10}, told.Tell},
		"in a log made anew":    {told.Position{Epoch: "f", Seq: 1}, told.Tell},
		"ahead, in another one": {told.Position{Epoch: "f", Seq: 11}, told.Tell},
	} {
		if _, _, got := v.Next(of, roster.Seen{}, false, c.at); got != c.want {
			t.Errorf("%s: Next is %v, want %v", name, got, c.want)
		}
	}
	v.Outlived()
	if _, _, got := v.Next(of, roster.Seen{}, false, told.Position{Epoch: "e", Seq: 9}); got != told.Tell {
		t.Errorf("after the log's end was lost: Next is %v, want Tell", got)
	}
}

func TestALeaveIsKnownForAMinute(t *testing.T) {
	v, of := told.New(), roster.Touch{Room: "task:1", User: "ann"}
	left := &wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{Change: wire.Left}}
	v.Apply(7, start, of, left)
	replaced := func() uint64 {
		_, seq, _ := v.Next(of, roster.Seen{Face: roster.Face{Status: wire.Online}}, true, told.Position{})
		return seq
	}
	if got := replaced(); got != 7 {
		t.Errorf("right after it the next word replaces %d, want 7", got)
	}
	v.Apply(8, start.Add(told.Stays+time.Second), roster.Touch{Room: "task:2", User: "bob"}, left)
	if got := replaced(); got != 0 {
		t.Errorf("a minute later the next word replaces %d, want 0", got)
	}
}

func Example() {
	v := told.New()
	ann := roster.Touch{Room: "task:42", User: "ann"}
	online := roster.Seen{Face: roster.Face{Status: wire.Online}, Connections: 1}
	m, replaces, _ := v.Next(ann, online, true, told.Position{Epoch: "e", Seq: 3})
	fmt.Println(m.Change, m.Users, replaces)
	v.Apply(1, time.Unix(0, 0), ann, &m) // it was stored
	_, _, verdict := v.Next(ann, online, true, told.Position{Epoch: "e", Seq: 4})
	fmt.Println(verdict == told.Known)
	// Output:
	// join 1 0
	// true
}
