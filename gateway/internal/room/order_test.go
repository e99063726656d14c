package room_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAPositionIsTrueWhereItStands lets clients come, enter, beat, leave and
// go while the log goes on: what follows a position in a client's outbox is
// every event of its room above it, in order, and none up to it.
func TestAPositionIsTrueWhereItStands(t *testing.T) {
	const clients, rounds = 8, 30
	keys := []string{"task.0", "task.1", "task.2"} // an event's offset says which
	p := dialect{spelt: new(int)}
	r := newRooms()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			defer end() // the first to have had its rounds ends the log
			for round := 0; round < rounds && ctx.Err() == nil; round++ {
				m := newMember(fmt.Sprintf("%d-%d", c, round), p)
				r.Add(m, nil, silent)
				var got []string
				r.Enter(m, keys[c%3:c%3+1], at)
				for range 3 {
					<-m.Outbox.Wake()
					got = append(got, heard(m)...)
					r.Enter(m, nil, at)
				}
				r.Leave(m, keys[c%3:c%3+1])
				wantRun(t, append(got, heard(m)...), uint64(c%3))
				if late := heard(m); len(late) > 0 {
					t.Errorf("%s heard %v after it left", m.ID, late)
				}
				r.Remove(m)
			}
		})
	}
	for offset := uint64(1); ctx.Err() == nil; offset++ {
		r.Log(logged(offset, keys[offset%3]))
		if offset%256 == 0 {
			r.Settle(ctx, time.Minute)
		}
	}
	wg.Wait()
}

// wantRun checks that what was heard begins with a position, that events are
// all those above it whose offsets divided by three leave rest, and that every
// further position lies between those around it.
func wantRun(t *testing.T, heard []string, rest uint64) {
	t.Helper()
	var last uint64 // everything of the room up to here was heard, or is not to be
	for i, h := range heard {
		name, digits, _ := strings.Cut(h, "@")
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || i == 0 && name != "at" {
			t.Fatalf("heard %q: %v", h, heard)
		}
		next := last + 1
		for next%3 != rest {
			next++
		}
		if name == "at" && i > 0 && (n < last || n >= next) || name == "e" && n != next {
			t.Fatalf("%s came after %d, the next event is %d: %v", h, last, next, heard)
		}
		last = n
	}
}
