package client

import (
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// pools is the tokens that this gateway has leased for its users, one pool for
// all connections of a user.
type pools struct {
	limit limit.Limit
	asker *ask.Asker
	meter *meter.Meter
	now   func() time.Time

	mu    sync.Mutex // guards users and what is in each pool; nobody is asked while it is held
	users map[string]*pool
}

// pool is one user's.
type pool struct {
	key     string // as ratelimit knows it
	lease   quota.Lease
	members int
	waiting []func() // connections with a parked message
}

// userMessages is the limit's name.
const userMessages = "user.messages"

// enter adds a connection of the user, and leases the first tokens ahead of
// its first message.
func (ps *pools) enter(user string) *pool {
	ps.mu.Lock()
	p := ps.users[user]
	if p == nil {
		p = &pool{key: userMessages + "/" + subject.Escape(user), lease: quota.NewLease(ps.limit)}
		ps.users[user] = p
	}
	p.members++
	ps.mu.Unlock()
	ps.refill(p)
	return p
}

// leave takes a connection out; the last one's pool is forgotten.
func (ps *pools) leave(user string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.users[user]; p != nil {
		if p.members--; p.members == 0 {
			delete(ps.users, user)
		}
	}
}

// take spends a token. With quota.Wait, resume is called once when it is worth
// to try again.
func (ps *pools) take(p *pool, resume func()) quota.Verdict {
	ps.mu.Lock()
	v := p.lease.Take(ps.now())
	if v.Kind == quota.Wait {
		p.waiting = append(p.waiting, resume)
	}
	ps.mu.Unlock()
	if v.Kind == quota.Open {
		ps.meter.Asked(meter.Ratelimit, meter.Open)
	}
	ps.refill(p)
	return v
}

// refill asks for more tokens when that is due.
func (ps *pools) refill(p *pool) {
	ps.mu.Lock()
	cost, want, due := p.lease.Need(ps.now())
	ps.mu.Unlock()
	if !due {
		return
	}
	ps.asker.Take(wire.TakeAsk{Key: p.key, Cost: cost, Want: want}, func(a wire.TakeAnswer, problem frame.Problem) {
		ps.mu.Lock()
		if problem.Is() {
			p.lease.Silent(ps.now())
		} else {
			p.lease.Granted(ps.now(), a.Granted, time.Duration(a.RetryAfterMs)*time.Millisecond)
		}
		waiting := p.waiting
		p.waiting = nil
		ps.mu.Unlock()
		for _, resume := range waiting {
			resume()
		}
	})
}
