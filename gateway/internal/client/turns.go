package client

import "sync"

// turns lets one thing happen at a time to a connection, in the order in which
// it came, on the goroutines that bring it: a connection owns none.
//
// What the client sends waits for its turn (do): that is the pressure that
// keeps it from sending faster than is worked off. Answers never wait (post):
// they are left for whoever is at work, so the goroutine that hears NATS is
// not held up. Nothing that is done in a turn may block, nor call do.
type turns struct {
	mu     sync.Mutex // guards the fields below; not held while something happens
	free   sync.Cond
	busy   bool
	posted []func()
}

func (t *turns) init() { t.free.L = &t.mu }

// do runs f when nothing else happens, and what was posted meanwhile.
func (t *turns) do(f func()) {
	t.mu.Lock()
	for t.busy {
		t.free.Wait()
	}
	t.busy = true
	t.mu.Unlock()
	t.run(f)
}

// post runs f now if nothing else happens, or leaves it to whoever is at work.
func (t *turns) post(f func()) {
	t.mu.Lock()
	if t.busy {
		t.posted = append(t.posted, f)
		t.mu.Unlock()
		return
	}
	t.busy = true
	t.mu.Unlock()
	t.run(f)
}

func (t *turns) run(f func()) {
	f()
	t.mu.Lock()
	for len(t.posted) > 0 {
		f, t.posted = t.posted[0], t.posted[1:]
		t.mu.Unlock()
		f()
		t.mu.Lock()
	}
	t.posted = nil
	t.busy = false
	t.free.Signal()
	t.mu.Unlock()
}
