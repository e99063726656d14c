package client

import (
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// maxParked is how many messages of a connection wait for its user's tokens.
const maxParked = 64

// ask takes one ask of the client: past the connection's limits, then past the
// user's, then to the session. Asks keep their order, so while one waits for
// tokens those after it do too.
func (c *Client) ask(in frame.In) {
	if c.sess.Over() {
		return
	}
	messages, signals := c.rules()
	rule, bucket := messages, &c.messages
	if isSignal(in) {
		rule, bucket = signals, &c.signals
	}
	switch v := bucket.Take(c.house.cfg.Now(), rule, 1); v.Kind {
	case quota.Flood:
		c.carry(c.sess.End(frame.Flood))
		return
	case quota.Over:
		c.limited(in, v)
		return
	case quota.Pass, quota.Open, quota.Wait: // a connection's own bucket knows only Pass
	}
	if len(c.parked) > 0 {
		c.park(in)
		return
	}
	c.spend(in)
}

func (c *Client) park(in frame.In) {
	if len(c.parked) >= maxParked {
		c.limited(in, quota.Verdict{RetryAfter: time.Second})
		return
	}
	c.parked = append(c.parked, in)
}

// spend takes a token of the user's and hands the ask to the session.
func (c *Client) spend(in frame.In) {
	if c.pool != nil && !isSignal(in) {
		switch v := c.house.pools.take(c.pool, c.resume); v.Kind {
		case quota.Wait:
			c.parked = append([]frame.In{in}, c.parked...)
			return
		case quota.Over:
			c.limited(in, v)
			return
		case quota.Pass, quota.Open, quota.Flood: // a lease floods nobody
		}
	}
	c.carry(c.sess.Hear(c.house.cfg.Now(), in))
}

// resume goes on with what waited for tokens.
func (c *Client) resume() {
	c.post(func() {
		parked := c.parked
		c.parked = nil
		for i, in := range parked {
			c.spend(in)
			if len(c.parked) > 0 { // it waits again, and so do those after it
				c.parked = append(c.parked, parked[i+1:]...)
				return
			}
		}
	})
}

// isSignal reports whether an ask counts as a signal: typing, and a publish that
// nothing stores.
func isSignal(in frame.In) bool {
	if _, ok := in.(frame.Typing); ok {
		return true
	}
	p, ok := in.(frame.Publish)
	return ok && !p.Durable
}

// limited refuses an ask. Without an ack to carry it, it is told once a second.
func (c *Client) limited(in frame.In, v quota.Verdict) {
	ref := frame.RefOf(in)
	if !ref.Wanted {
		now := c.house.cfg.Now()
		if now.Sub(c.told) < time.Second {
			return
		}
		c.told = now
	}
	c.say(frame.Refused{Ref: ref, Code: wire.RateLimited, Message: "over the limit: wait and try again", RetryAfterMs: v.RetryAfterMs()})
}
