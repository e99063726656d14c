package ledger_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/ledger"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func user(name string) wire.Touched {
	return wire.Touched{Users: []string{name}, Rooms: []string{"team:red"}}
}

func TestSinceTellsWhatCameLater(t *testing.T) {
	var l ledger.Log
	l.Note(3, user("early"))
	if _, known := l.Since(3); known {
		t.Error("a Log that was never begun knows something")
	}
	l.Begin(10)
	l.Note(11, user("ann"))
	l.Note(12)
	l.Note(14, user("bob"), user("eve"))
	for after, want := range map[uint64]string{10: "annbobeve", 11: "bobeve", 12: "bobeve", 13: "bobeve", 14: "", 9: "?", 15: "?"} {
		touched, known := l.Since(after)
		got := ""
		for _, one := range touched {
			got += one.Users[0]
		}
		if !known {
			got = "?"
		}
		if got != want {
			t.Errorf("Since(%d) = %q, want %q", after, got, want)
		}
	}
	l.Forget()
	if _, known := l.Since(14); known || l.Knows() {
		t.Error("it knows what it was told to forget")
	}
}

func TestOldChangesMakeRoomForNewOnes(t *testing.T) {
	var few, many ledger.Log
	few.Begin(0)
	many.Begin(0)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	for seq := range uint64(20_000) {
		few.Note(seq+1, user("ann"))
		many.Note(seq+1, wire.Touched{Users: names})
	}
	for name, c := range map[string]struct {
		log  *ledger.Log
		kept uint64
	}{"small changes": {&few, 10_000}, "large changes": {&many, 100}} {
		if got, known := c.log.Since(20_000 - c.kept); !known || uint64(len(got)) != c.kept {
			t.Errorf("%s: of the last %d, %d are known (%v)", name, c.kept, len(got), known)
		}
		if _, known := c.log.Since(20_000 - c.kept - 1); known {
			t.Errorf("%s: more than the last %d are known", name, c.kept)
		}
	}
}

func TestMergeNamesRoomsOnce(t *testing.T) {
	red := []string{"team:red", "project:7"}
	got, few := ledger.Merge([]wire.Touched{
		{Users: []string{"bob"}, Rooms: red},
		{Types: []string{"task"}},
		{Users: []string{"ann"}, Rooms: red},
		{Rooms: red},
		{Users: []string{"ann"}, Rooms: red},
		{Users: []string{"ann"}, Rooms: red[:1]},
	})
	want := []wire.Touched{
		{Users: []string{"ann", "bob"}, Rooms: red}, {Types: []string{"task"}}, {Rooms: red}, {Users: []string{"ann"}, Rooms: red[:1]},
	}
	if !few || !reflect.DeepEqual(got, want) {
		t.Errorf("Merge = %v, %v, want %v", got, few, want)
	}
}

func TestMergeNamesLessWhereThereIsTooMuch(t *testing.T) {
	var one, each []wire.Touched
	for i := range 30 {
		rooms := make([]string, 1000)
		for j := range rooms {
			rooms[j] = fmt.Sprintf("task:%d-%d", i, j)
		}
		one = append(one, wire.Touched{Users: []string{"ann"}, Rooms: rooms})
		each = append(each, wire.Touched{Rooms: rooms})
	}
	if got, few := ledger.Merge(one); !few || len(got) != 1 || !reflect.DeepEqual(got[0], wire.Touched{Users: []string{"ann"}}) {
		t.Errorf("ann in 30,000 rooms: %d lists (%v), want ann in every room", len(got), few)
	}
	if _, few := ledger.Merge(each); few {
		t.Error("every user of 30,000 rooms is few")
	}
}

func ExampleLog() {
	var l ledger.Log
	l.Begin(7) // the bucket's last sequence when we had read it all
	l.Note(8, wire.Touched{Users: []string{"ann"}, Rooms: []string{"team:red"}})
	l.Note(9, wire.Touched{Types: []string{"task"}})
	fmt.Println(l.Since(8))
	fmt.Println(l.Since(6))
	// Output:
	// [{[] [] [task]}] true
	// [] false
}
