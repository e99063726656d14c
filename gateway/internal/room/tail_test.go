package room

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestATailFindsWhatARoomMissedAsASlowModelDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tl := newTail(100)
	var all []*Entry // everything ever added
	offset := uint64(100)
	for range 3 * tailEntries {
		offset++
		l := NewEntry(offset, fmt.Sprintf("task.%d", rng.IntN(40)), rng.IntN(4<<10), nil)
		tl.add(l)
		all = append(all, l)
		if rng.IntN(500) > 0 {
			continue
		}
		key := fmt.Sprintf("task.%d", rng.IntN(40))
		after := offset - min(uint64(rng.IntN(2*tailEntries)), offset-100)
		if !tl.holds(after) {
			continue
		}
		var want []uint64
		for _, l := range all {
			if l.Key == key && l.Offset > after {
				want = append(want, l.Offset)
			}
		}
		got := tl.since(key, after, 0)
		if len(got) != len(want) {
			t.Fatalf("since(%s, %d) found %d entries, want %d", key, after, len(got), len(want))
		}
		for i := range got {
			if got[i].Offset != want[i] {
				t.Fatalf("since(%s, %d)[%d] = %d, want %d", key, after, i, got[i].Offset, want[i])
			}
		}
		if few := tl.since(key, after, 3); len(few) > 0 && few[len(few)-1].Offset != want[len(want)-1] || len(few) != min(3, len(want)) {
			t.Fatalf("since(%s, %d) of at most 3 found %v, want the end of %v", key, after, few, want)
		}
		if tl.bytes > tailBytes {
			t.Fatalf("the tail holds %d bytes, at most %d", tl.bytes, tailBytes)
		}
	}
	if tl.start == 100 {
		t.Fatal("nothing was dropped: the test shows nothing")
	}
}

func TestATailHoldsNothingBeforeItsBegin(t *testing.T) {
	tl := newTail(7)
	for after, want := range map[uint64]bool{0: false, 6: false, 7: true, 8: true} {
		if got := tl.holds(after); got != want {
			t.Errorf("holds(%d) = %v after a begin at 7, want %v", after, got, want)
		}
	}
}
