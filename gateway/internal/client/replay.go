package client

import (
	"sync/atomic"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/relay"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// replay is a room on its way: its past is offered to the client part by part,
// each when the one before is written and there is memory for it, until the
// client is where the log is; there it enters. Between two parts it holds its
// place in the log and nothing else, and nothing is held back for it.
type replay struct {
	room  subject.Room
	key   string
	after frame.Position // what the client was offered up to
}

func replayed(list []session.Replay) []string {
	keys := make([]string, len(list))
	for i, r := range list {
		keys[i] = r.Room.Key()
	}
	return keys
}

// replay begins to replay rooms.
func (c *Client) replay(list []session.Replay) {
	if len(list) == 0 {
		return
	}
	if c.replays == nil {
		c.replays = make(map[string]*replay, len(list))
	}
	for _, r := range list {
		rp := &replay{room: r.Room, key: r.Room.Key(), after: r.After}
		c.replays[rp.key] = rp
		c.step(rp)
	}
}

// goesOn reports whether a replay does: not where the client has left the room,
// asked anew or ended.
func (c *Client) goesOn(rp *replay) bool {
	if c.replays[rp.key] != rp {
		return false
	}
	if _, ended := c.Outbox().End(); ended {
		clear(c.replays) // not nil: more of them may just be beginning
		return false
	}
	return true
}

// step goes on with a replay when there is memory for a part.
func (c *Client) step(rp *replay) {
	if c.goesOn(rp) {
		c.house.shares.take(mostOfPart, func() { c.post(func() { c.part(rp) }) })
	}
}

// part offers the next part, from memory or from the log. It has a share.
func (c *Client) part(rp *replay) {
	if !c.goesOn(rp) {
		c.house.shares.give(mostOfPart)
		return
	}
	if c.inDoubt(rp) {
		return
	}
	upTo, bytes, caught := c.house.rooms.Catch(c.member, rp.key, rp.after)
	rp.after.Offset = upTo
	if caught == room.Unheld {
		c.house.relay.Replay(rp.room, rp.after, func(page []*room.Entry, upTo uint64, err error) {
			c.post(func() { c.turnPage(rp, page, upTo, err) })
		})
		return
	}
	c.offered(bytes, rp)
	switch caught {
	case room.Entered:
		delete(c.replays, rp.key)
	case room.Anew:
		c.carry(c.sess.End(frame.Restart))
	case room.Behind, room.Unheld: // it goes on
	}
}

// turnPage offers a part of what was read from the log.
func (c *Client) turnPage(rp *replay, page []*room.Entry, upTo uint64, err error) {
	if !c.goesOn(rp) {
		c.house.shares.give(mostOfPart)
		return
	}
	if c.inDoubt(rp) {
		return
	}
	if err != nil {
		// The rest cannot be had without a hole, or not now: the client learns
		// which when it is back.
		c.house.shares.give(mostOfPart)
		c.carry(c.sess.End(frame.Restart))
		return
	}
	far, bytes, all := c.house.rooms.Replay(c.member, page, rp.after.Offset)
	rp.after.Offset = far
	if all {
		rp.after.Offset = max(far, upTo)
	}
	c.offered(bytes, rp)
}

// inDoubt reports whether it is in doubt who may hear what. Then the replay
// gives its share back, and goes on when it is not.
func (c *Client) inDoubt(rp *replay) bool {
	if c.house.gate.Open() {
		return false
	}
	c.house.shares.give(mostOfPart)
	c.house.gate.WhenOpen(func() { c.post(func() { c.step(rp) }) })
	return true
}

// offered keeps of a share what was offered, until it is written, and then
// goes on with the replay.
func (c *Client) offered(bytes int, rp *replay) {
	if c.reads.IsZero() {
		c.reads = c.house.cfg.Now()
	}
	c.house.shares.give(mostOfPart - bytes)
	c.Outbox().WhenRelieved(true, func() {
		c.house.shares.give(bytes)
		c.post(func() {
			c.reads = time.Time{}
			c.step(rp)
		})
	})
}

// slowest is how long a client may take to read a part while others wait for
// its share.
const slowest = 15 * time.Second

// hogs reports whether the client keeps memory that others wait for.
func (c *Client) hogs(now time.Time) bool {
	return !c.reads.IsZero() && now.Sub(c.reads) > slowest && c.house.shares.wanted()
}

// look finds out what rooms hold of what the client wants.
func (c *Client) look(d session.Look) {
	found := make([]session.Found, len(d.Rooms))
	var left atomic.Int64
	left.Store(int64(len(d.Rooms)))
	done := func() {
		if left.Add(-1) == 0 {
			c.post(func() { c.carry(c.sess.Looked(c.house.cfg.Now(), d.Tag, found)) })
		}
	}
	for i, ask := range d.Rooms {
		if ask.Since != nil {
			c.house.relay.Judge(ask.Room, *ask.Since, c.ID(), func(s relay.Span, recovered bool) {
				found[i] = session.Found{Recovered: recovered, Replay: recovered, After: s.After, UpTo: s.UpTo, Events: s.Events}
				done()
			})
			continue
		}
		c.house.relay.Newest(ask.Room, ask.Last, c.ID(), func(s relay.Span, err error) {
			found[i] = session.Found{Replay: err == nil, After: s.After, UpTo: s.UpTo, Events: s.Events}
			done()
		})
	}
}

// history reads a page of a room's past.
func (c *Client) history(d session.History) {
	c.house.relay.History(d.Room, d.Before, d.Limit, func(page frame.Past, err error) {
		var p frame.Problem
		if err != nil || !c.house.gate.Open() { // nor is it read while it is in doubt who may
			p = frame.Problem{Code: wire.Unavailable, Message: "the past could not be read now: try again"}
		}
		c.post(func() { c.carry(c.sess.Remembered(d.Tag, page, p)) })
	})
}
