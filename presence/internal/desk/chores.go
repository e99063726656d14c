package desk

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
)

// kind is what there is to do.
type kind int

const (
	tell   kind = iota // others of a user in a room, or in the mesh
	keep               // a user's status, by another of the user's connections
	finish             // a connection that has ended
)

// chore is one thing to do. It is done when looking at the logs shows nothing
// left of it, whoever did it.
type chore struct {
	kind kind
	of   roster.Touch // tell
	key  roster.Key   // keep, finish
}

// task is how far a chore is.
type task struct {
	due   time.Time
	busy  bool   // it is being done
	again bool   // and there is more since
	doubt bool   // another may have begun it
	after uint64 // tell: the word to replace, which the view has forgotten
}

// chores is what there is to do. Its fields are guarded by Desk.mu.
type chores struct {
	all   map[chore]*task
	users map[string]int // how many of all are to tell of a user
	next  queue
	n     uint64        // how many were ever in next
	wake  chan struct{} // one slot
}

func newChores() *chores {
	return &chores{all: map[chore]*task{}, users: map[string]int{}, wake: make(chan struct{}, 1)}
}

// queue is chores by the time when they are due. One may be in it more often
// than once; only the earliest counts.
type queue []due

type due struct {
	at time.Time
	n  uint64 // in the order they came
	c  chore
}

func (q *queue) Len() int { return len(*q) }
func (q *queue) Less(i, j int) bool {
	a, b := (*q)[i], (*q)[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.n < b.n
}
func (q *queue) Swap(i, j int) { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }
func (q *queue) Push(x any)    { *q = append(*q, x.(due)) } //nolint:errcheck // only enqueue pushes
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = due{}
	*q = (*q)[:len(*q)-1]
	return last
}

// add notes a chore, due at a time. With doubt another may have begun it.
func (c *chores) add(what chore, at time.Time, doubt bool) {
	t := c.all[what]
	switch {
	case t == nil:
		t = &task{}
		c.all[what] = t
		if what.kind == tell {
			c.users[what.of.User]++
		}
	case t.busy:
		t.again = true
		return
	case !at.Before(t.due):
		return
	}
	t.doubt = t.doubt || doubt
	c.enqueue(what, t, at)
}

func (c *chores) enqueue(what chore, t *task, at time.Time) {
	t.due = at
	c.n++
	heap.Push(&c.next, due{at, c.n, what})
	select {
	case c.wake <- struct{}{}:
	default: // it is awake already
	}
}

// take returns a chore that is due, marked as busy, or how long until one is.
func (c *chores) take(now time.Time) (what chore, t *task, wait time.Duration) {
	for c.next.Len() > 0 {
		first := c.next[0]
		if wait := first.at.Sub(now); wait > 0 {
			return chore{}, nil, wait
		}
		heap.Pop(&c.next)
		if t := c.all[first.c]; t != nil && !t.busy && t.due.Equal(first.at) {
			t.busy = true
			return first.c, t, 0
		}
	}
	return chore{}, nil, time.Hour
}

// done ends a try. If again is not zero, or more has come since, the chore
// comes again then.
func (c *chores) done(what chore, t *task, again time.Duration) {
	if c.all[what] != t {
		return // it was seen to be done, or all began anew
	}
	t.busy = false
	if t.again {
		t.again, again = false, time.Nanosecond
	}
	if again == 0 {
		c.drop(what)
		return
	}
	c.enqueue(what, t, time.Now().Add(again))
}

// drop takes out a chore that is done.
func (c *chores) drop(what chore) {
	delete(c.all, what)
	if what.kind != tell {
		return
	}
	if c.users[what.of.User]--; c.users[what.of.User] == 0 {
		delete(c.users, what.of.User)
	}
}

// waits is who waits until something is known. Guarded by Desk.mu.
type waits struct {
	seqs  []seqWait
	users map[string][]chan struct{}
}

type seqWait struct {
	seq  uint64
	user string
	done chan struct{}
}

// reached lets those go on who wait for a sequence of HUB_PRESENCE, unless what
// it led to is still to be told.
func (w *waits) reached(seq uint64, c *chores) {
	left := w.seqs[:0]
	for _, s := range w.seqs {
		if s.seq > seq {
			left = append(left, s)
			continue
		}
		w.told(s.user, s.done, c)
	}
	clear(w.seqs[len(left):])
	w.seqs = left
}

func (w *waits) told(user string, done chan struct{}, c *chores) {
	if c.users[user] == 0 {
		close(done)
		return
	}
	w.users[user] = append(w.users[user], done)
}

// release lets those go on who wait for a user to be told of, if nothing is
// left to tell.
func (w *waits) release(user string, c *chores) {
	if c.users[user] > 0 {
		return
	}
	for _, done := range w.users[user] {
		close(done)
	}
	delete(w.users, user)
}

// Await returns when HUB_PRESENCE is known up to a sequence and others were
// told all that this means for a user, or with ctx's error.
func (d *Desk) Await(ctx context.Context, seq uint64, user string) error {
	done := make(chan struct{})
	d.mu.Lock()
	if d.known.Here.Seq < seq {
		d.waits.seqs = append(d.waits.seqs, seqWait{seq, user, done})
	} else {
		d.waits.told(user, done, d.chores)
	}
	d.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("presence: wait for what is told of %s: %w", user, ctx.Err())
	}
}
