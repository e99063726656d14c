package serve

import (
	"sync"

	"github.com/hubmesh/hubmesh/ratelimit/internal/bucket"
)

// crowds puts questions for one bucket that come while it is being written
// into one next write. Otherwise a replica would race with itself: of n writes
// at once one succeeds, and n-1 are tried again. Safe for concurrent use.
type crowds struct {
	mu      sync.Mutex // guards waiting
	waiting map[bucket.Key][]*waiter
}

// waiter is one question. Who comes first to a bucket leads: it spends for all
// that wait by then, itself included, and hands the lead to the first of those
// that came meanwhile.
type waiter struct {
	ask  bucket.Ask
	told chan turn // one slot
}

// turn is a waiter's answer, or the lead.
type turn struct {
	lead  bool
	grant bucket.Grant
	err   error
}

// spend takes for all asks from one bucket, one Grant each.
type spend func([]bucket.Ask) ([]bucket.Grant, error)

// take waits for its turn at key, and answers ask. It waits no longer than the
// leaders before it spend, who began before it and whose time is bounded.
func (c *crowds) take(key bucket.Key, ask bucket.Ask, spend spend) (bucket.Grant, error) {
	w := &waiter{ask: ask, told: make(chan turn, 1)}
	if leads := c.enter(key, w); !leads {
		if t := <-w.told; !t.lead {
			return t.grant, t.err
		}
	}
	crowd := c.gather(key)
	asks := make([]bucket.Ask, len(crowd))
	for i, one := range crowd {
		asks[i] = one.ask
	}
	grants, err := spend(asks)
	c.leave(key)
	for i, one := range crowd {
		t := turn{err: err}
		if err == nil {
			t.grant = grants[i]
		}
		one.told <- t
	}
	t := <-w.told // w is the first of its crowd
	return t.grant, t.err
}

// enter puts w among those that wait at key. A key that is there, even with
// nobody waiting, has a leader.
func (c *crowds) enter(key bucket.Key, w *waiter) (leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	crowd, led := c.waiting[key]
	c.waiting[key] = append(crowd, w)
	return !led
}

// gather takes all that wait at key, for their leader.
func (c *crowds) gather(key bucket.Key) []*waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	crowd := c.waiting[key]
	c.waiting[key] = nil
	return crowd
}

// leave ends a leader's turn at key.
func (c *crowds) leave(key bucket.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next := c.waiting[key]; len(next) > 0 {
		next[0].told <- turn{lead: true}
		return
	}
	delete(c.waiting, key)
}
