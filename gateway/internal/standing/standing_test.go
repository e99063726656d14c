package standing_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/standing"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// step is something that happens to a book, and the report that is due then, as
// show writes it. A step without want looks at nothing.
type step struct {
	do   func(b *standing.Book, under *[]wire.PresenceStand)
	want string
}

func changes(f func(b *standing.Book)) step {
	return step{do: func(b *standing.Book, _ *[]wire.PresenceStand) { f(b) }}
}

func begin(id string) step {
	return changes(func(b *standing.Book) { b.Begin(wire.PresenceStand{Connection: id, User: "ann"}) })
}

// enter, and the steps below, are of the connection c.
func enter(rooms ...string) step {
	return changes(func(b *standing.Book) { b.Enter("c", rooms) })
}

func leave(rooms ...string) step {
	return changes(func(b *standing.Book) { b.Leave("c", rooms) })
}

func say(status string) step {
	return changes(func(b *standing.Book) { b.Say("c", wire.UserStatus{Status: status}) })
}

func end() step {
	return changes(func(b *standing.Book) { b.End("c", wire.PresenceEnd{Reason: "gone", Grace: true}) })
}

func again() step { return changes(func(b *standing.Book) { b.Again() }) }

// report takes what is due.
func report(want string) step {
	return step{want: "" + want, do: func(b *standing.Book, under *[]wire.PresenceStand) { *under = b.Next(10, 1<<20) }}
}

// answered: presence has answered for all but what failed.
func answered(failed ...string) step {
	return step{do: func(b *standing.Book, under *[]wire.PresenceStand) { b.Answered(*under, failed) }}
}

func silent(unheard bool) step {
	return step{do: func(b *standing.Book, under *[]wire.PresenceStand) { b.Silent(*under, unheard) }}
}

const nothing = "nothing"

func TestWhatIsReported(t *testing.T) {
	for name, story := range map[string][]step{
		"a connection from its begin to its end": {
			begin("c"), report("c 1 first"), answered(), report(nothing),
			enter("task:1", "task:2"), report("c 2 in task:1 task:2"), answered(),
			leave("task:1"), report("c 3 in task:2"), answered(),
			end(), report("c 4 in task:2 ended"), answered(), report(nothing),
		},
		"what changes nothing is not reported": {
			begin("c"), report("c 1 first"), answered(), enter("task:1"), report("c 2 in task:1"), answered(),
			enter("task:1"), leave("task:2"), report(nothing),
		},
		"many changes are one report": {
			begin("c"), enter("task:1"), say("away"), begin("d"), report("c 3 first in task:1 says away, d 1 first"), answered(), report(nothing),
		},
		"of what is under way nothing else is reported": {
			begin("c"), report("c 1 first"), enter("task:1"), leave("task:1"), enter("task:2"), report(nothing),
		},
		"a change while it is under way follows": {
			begin("c"), report("c 1 first"), enter("task:1"), answered(), report("c 2 in task:1"), answered(), report(nothing),
		},
		"a report that was perhaps heard comes again as it was, and the change after it": {
			begin("c"), report("c 1 first"), say("away"), silent(false), say("busy"), report("c 1 first"), answered(), report("c 3 says busy"),
		},
		"a report that nobody heard need not": {
			begin("c"), report("c 1 first"), say("away"), silent(true), report("c 2 first says away"), answered(), report(nothing),
		},
		"what was not answered is before what was never sent": {
			begin("c"), report("c 1 first"), begin("d"), silent(false), report("c 1 first, d 1 first"),
		},
		"what failed is after it, and what did not is known": {
			begin("c"), begin("d"), report("c 1 first, d 1 first"), begin("e"), answered("c"), report("e 1 first, c 1 first"), answered(), report(nothing),
		},
		"a status is told once": {
			begin("c"), say("away"), report("c 2 first says away"), answered(), enter("task:1"), report("c 3 in task:1 is away"),
		},
		"a connection that nobody has heard of is reported with its end": {
			begin("c"), enter("task:1"), end(), report("c 3 first in task:1 ended"), answered(), report(nothing),
		},
		"nothing comes after the end": {
			begin("c"), report("c 1 first"), answered(), end(), enter("task:1"), leave("task:1"), say("away"), end(), again(),
			report("c 2 ended"), answered(), report(nothing),
		},
		"an end while its begin is under way follows it": {
			begin("c"), report("c 1 first"), end(), silent(false), report("c 1 first"), answered(), report("c 2 ended"), answered(), report(nothing),
		},
		"after the lease was lost all are reported anew, once": {
			begin("c"), report("c 1 first"), answered(), again(), report("c 2 again"), answered(), enter("task:1"), report("c 3 in task:1"),
		},
		"the lease is lost again before that was answered": {
			begin("c"), report("c 1 first"), answered(), again(), report("c 2 again"), again(), answered(), report("c 3 again"),
		},
		"one that was never sent begins, and is not held again": {
			begin("c"), again(), report("c 1 first"),
		},
		"one that may be known both begins and is held again": {
			begin("c"), report("c 1 first"), again(), silent(false), report("c 1 first"), answered(), report("c 2 again"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := standing.New()
			var under []wire.PresenceStand
			for i, s := range story {
				was := under
				s.do(b, &under)
				if s.want == "" {
					continue
				}
				if got := show(under); got != s.want {
					t.Fatalf("step %d: the report is %q, want %q", i, got, s.want)
				}
				if s.want == nothing {
					under = was // what is under way still is
				}
			}
		})
	}
}

// show writes a report as one line.
func show(report []wire.PresenceStand) string {
	var all []string
	for _, s := range report {
		line := fmt.Sprint(s.Connection, " ", s.Turn)
		if s.First {
			line += " first"
		}
		if s.Again {
			line += " again"
		}
		if len(s.Rooms) > 0 {
			line += " in " + strings.Join(s.Rooms, " ")
		}
		switch {
		case s.Fresh:
			line += " says " + s.Status.Status
		case s.Status != nil:
			line += " is " + s.Status.Status
		}
		if s.End != nil {
			line += " ended"
		}
		all = append(all, line)
	}
	if all == nil {
		return nothing
	}
	return strings.Join(all, ", ")
}

func TestAReportHasNoMoreThanItMay(t *testing.T) {
	b := standing.New()
	for i := range 25 {
		b.Begin(wire.PresenceStand{Connection: fmt.Sprint("c", i), User: "ann", Info: json.RawMessage(`"` + strings.Repeat("x", 1000) + `"`)})
	}
	if n := len(b.Next(10, 1<<20)); n != 10 {
		t.Errorf("a report has %d connections, want 10", n)
	}
	if n := len(b.Next(100, 5000)); n < 2 || n > 5 {
		t.Errorf("a report of 5000 bytes has %d connections, want some", n)
	}
	if n := len(b.Next(100, 1)); n != 1 {
		t.Errorf("a report of one byte has %d connections, want one", n)
	}
	if owed := b.Owed(); owed != 25 {
		t.Errorf("Owed() = %d, want 25: nothing was answered", owed)
	}
}

func TestRoomsThatWereReportedAreNotChanged(t *testing.T) {
	b := standing.New()
	b.Begin(wire.PresenceStand{Connection: "c", User: "ann"})
	b.Enter("c", []string{"task:1", "task:2"})
	report := b.Next(1, 1<<20)
	b.Leave("c", []string{"task:1"})
	b.Enter("c", []string{"task:3", "task:3"})
	if got := report[0].Rooms; !slices.Equal(got, []string{"task:1", "task:2"}) {
		t.Errorf("the report under way is now of %q", got)
	}
}

func TestConnectionsThatNobodyHeardOfAreForgottenBeyondABound(t *testing.T) {
	b := standing.New()
	const many = 150_000
	b.Begin(wire.PresenceStand{Connection: "heard", User: "ann"})
	b.Next(1, 1<<20)
	for i := range many {
		id := fmt.Sprint("c", i)
		b.Begin(wire.PresenceStand{Connection: id, User: "ann"})
		b.End(id, wire.PresenceEnd{})
	}
	b.End("heard", wire.PresenceEnd{})
	if n := b.Forgotten(); n != 50_000 {
		t.Errorf("%d were forgotten, want 50000", n)
	}
	if b.Gone("heard") || b.Gone("c0") || !b.Gone("c149999") {
		t.Error("forgotten was not what came last of what nobody has heard of")
	}
	n := 0
	for report := b.Next(500, 1<<20); len(report) > 0; report = b.Next(500, 1<<20) {
		n += len(report)
		b.Answered(report, nil)
	}
	if n != 100_000 {
		t.Errorf("%d were reported, want 100000", n)
	}
}

// TestPresenceKnowsAllInTheEnd lets connections change and reports fail at
// random. A plain record of what presence was told last is how they stand, each
// begins once and ends once, and each thing said of a user is said once.
func TestPresenceKnowsAllInTheEnd(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		b := standing.New()
		stands := map[string]wire.PresenceStand{} // as presence has them
		truth := map[string][]string{}            // rooms of those that have not ended
		var under [][]wire.PresenceStand
		heard := func(report []wire.PresenceStand) (failed []string) {
			for _, s := range report {
				if r.IntN(5) == 0 {
					failed = append(failed, s.Connection)
					continue
				}
				was, there := stands[s.Connection]
				if there && was.Turn >= s.Turn {
					continue // it has heard it
				}
				if there == s.First || was.End != nil {
					t.Fatalf("seed %d: %+v after %+v", seed, s, was)
				}
				stands[s.Connection] = s
			}
			return failed
		}
		answer := func() {
			if len(under) == 0 {
				return
			}
			i := r.IntN(len(under))
			report := under[i]
			under = slices.Delete(under, i, i+1)
			switch r.IntN(4) {
			case 0:
				b.Silent(report, true)
			case 1:
				heard(report) // and its answer is lost
				b.Silent(report, false)
			default:
				b.Answered(report, heard(report))
			}
		}
		n := 0
		for range 200 {
			id := fmt.Sprint("c", r.IntN(n+1))
			room := fmt.Sprint("task:", r.IntN(4))
			switch r.IntN(10) {
			case 0:
				n++
				id = fmt.Sprint("c", n)
				b.Begin(wire.PresenceStand{Connection: id, User: "ann"})
				truth[id] = []string{}
			case 1, 2:
				if b.Enter(id, []string{room}) > 0 && !slices.Contains(truth[id], room) {
					truth[id] = append(truth[id], room)
				}
			case 3:
				if b.Leave(id, []string{room}) {
					truth[id] = slices.DeleteFunc(truth[id], func(in string) bool { return in == room })
				}
			case 4:
				b.End(id, wire.PresenceEnd{})
				delete(truth, id)
			case 5:
				b.Again()
			case 6, 7:
				if report := b.Next(1+r.IntN(3), 1<<20); len(report) > 0 {
					under = append(under, report)
				}
			default:
				answer()
			}
		}
		for b.Owed() > 0 {
			if report := b.Next(10, 1<<20); len(report) > 0 {
				under = append(under, report)
			}
			answer()
		}
		for id, s := range stands {
			rooms, living := truth[id]
			if living == (s.End != nil) || living && !slices.Equal(rooms, s.Rooms) {
				t.Fatalf("seed %d: presence has %+v, and it stands in %v: %v", seed, s, rooms, living)
			}
			delete(truth, id)
		}
		if len(truth) > 0 {
			t.Fatalf("seed %d: presence has never heard of %v", seed, truth)
		}
	}
}

func ExampleBook() {
	b := standing.New()
	b.Begin(wire.PresenceStand{Connection: "g1-7", User: "ann"})
	b.Enter("g1-7", []string{"task:42"})
	report := b.Next(500, 512<<10)
	fmt.Println(len(report), report[0].Connection, report[0].Rooms, b.Owed())
	b.Answered(report, nil)
	fmt.Println(b.Owed())
	// Output:
	// 1 g1-7 [task:42] 1
	// 0
}

func BenchmarkTenThousandBegin(b *testing.B) {
	for b.Loop() {
		book := standing.New()
		for i := range 10_000 {
			book.Begin(wire.PresenceStand{Connection: fmt.Sprint(i), User: "ann"})
		}
		for report := book.Next(500, 512<<10); len(report) > 0; report = book.Next(500, 512<<10) {
			book.Answered(report, nil)
		}
	}
}
