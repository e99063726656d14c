package room_test

import (
	"sync"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

func TestWhoeverWaitsGoesOnAtHalf(t *testing.T) {
	called := 0
	call := func() { called++ }
	stories := map[string]struct {
		past  bool
		story []step
		want  int // calls at the end
	}{
		"at once below half of the lines":          {story: []step{offerMany(lines/2, event, "a", 1)}, want: 1},
		"not above half of the lines":              {story: []step{offerMany(lines/2+1, event, "a", 1)}},
		"not above half of the bytes":              {story: []step{offer(event, "a", bytes/2+1, true)}},
		"not while what was taken is not written":  {story: []step{offerMany(lines, event, "a", 1), takeAll(lines)}},
		"at once when it has ended":                {story: []step{offerMany(lines, event, "a", 1), finish(frame.Restart)}, want: 1},
		"at once with replayed lines":              {story: []step{offer(past, "a", 1, true)}, want: 1},
		"not with replayed lines, if it minds":     {past: true, story: []step{offer(past, "a", 1, true)}},
		"at once without replayed lines":           {past: true, story: []step{offer(event, "a", 1, true)}, want: 1},
		"not when it is full of replayed and live": {past: true, story: []step{offerMany(lines, event, "a", 1), offer(past, "p", 1, true)}},
	}
	for name, c := range stories {
		t.Run(name, func(t *testing.T) {
			called = 0
			p := &play{T: t, o: room.NewOutbox()}
			for _, s := range c.story {
				s(p)
			}
			p.o.WhenRelieved(c.past, call)
			if called != c.want {
				t.Fatalf("called %d times, want %d", called, c.want)
			}
			takeAll := func() { p.buf, _, _ = p.o.Take(p.buf[:0], 1<<30) }
			takeAll()
			takeAll() // and it is written
			takeAll()
			if called != 1 {
				t.Fatalf("called %d times when all was written, want once", called)
			}
		})
	}
}

func TestWhoeverWaitsGoesOnAtTheEnd(t *testing.T) {
	o := room.NewOutbox()
	for range lines {
		o.Offer(line(event, "a", 1))
	}
	called := 0
	o.WhenRelieved(false, func() {
		called++
		if o.Offer(line(event, "b", 1)) { // nothing is held while it is called
			t.Error("an outbox that has ended took a line")
		}
	})
	o.Offer(line(event, "one too many", 1))
	if called != 0 {
		t.Fatal("it was called by whoever ended the outbox, who may hold locks")
	}
	o.Take(nil, 0) // what the writer does next, woken by the end
	if called != 1 {
		t.Fatalf("called %d times, want once", called)
	}
}

// TestAnOutboxKeepsItsOrderAmongManyAtOnce has eight offer, each its own
// numbers, while one takes: each one's lines come in its order, what is no
// signal comes whole, and what was neither taken nor told as thrown is none.
func TestAnOutboxKeepsItsOrderAmongManyAtOnce(t *testing.T) {
	const offerers, each = 8, 2000
	o := room.NewOutbox()
	var took [offerers]int
	var offering sync.WaitGroup
	for n := range offerers {
		offering.Go(func() {
			for i := range each {
				l := &room.Line{Wire: []byte{byte(n), byte(i), byte(i >> 8)}, Signal: n%2 == 1}
				if o.Offer(l) {
					took[n]++
				} else if !l.Signal {
					t.Error("a reader that keeps up was too slow")
					return
				}
				if n%2 == 0 { // an event waits for the reader, as a fill does
					relieved := make(chan struct{})
					o.WhenRelieved(false, func() { close(relieved) })
					<-relieved
				}
			}
		})
	}
	go func() {
		offering.Wait()
		o.Finish(frame.Restart)
	}()
	last, heard := [offerers]int{-1, -1, -1, -1, -1, -1, -1, -1}, 0
	var buf [][]byte
	for range o.Wake() {
		var over bool
		for {
			buf, _, over = o.Take(buf[:0], 100)
			for _, l := range buf {
				n, i := l[0], int(l[1])|int(l[2])<<8
				if i <= last[n] || n%2 == 0 && i != last[n]+1 {
					t.Fatalf("of %d came %d after %d", n, i, last[n])
				}
				last[n] = i
				heard++
			}
			if over || len(buf) == 0 {
				break
			}
		}
		if over {
			break
		}
	}
	refused := 0
	for n := range offerers {
		refused += each - took[n]
	}
	if missing := offerers*each - heard; missing != o.Thrown() || missing < refused {
		t.Errorf("%d lines are missing, %d of them were refused; all must be told as thrown", missing, refused)
	}
}
