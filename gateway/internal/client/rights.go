package client

import (
	"sync/atomic"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/rights"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var _ rights.Members = (*House)(nil)

// Touched has all connections whom a change may concern ask anew, and calls
// done when all have done what follows.
func (h *House) Touched(ch rights.Change, done func()) {
	list := h.registry.concerned(ch)
	var left atomic.Int64
	left.Store(int64(len(list)) + 1)
	one := func() {
		if left.Add(-1) == 0 {
			done()
		}
	}
	for _, c := range list {
		c.reconsider(ch, one)
	}
	one()
}

// Revoked ends the connections that have a token which holds no longer, of
// those known under a key of revocations.
func (h *House) Revoked(key string) {
	for _, c := range h.registry.named(key) {
		c.post(c.endIfRevoked)
	}
}

// endIfRevoked ends the connection if its token holds no longer.
func (c *Client) endIfRevoked() {
	if c.house.revoked.Voids(c.sess.User(), c.sess.Claims()) {
		c.carry(c.sess.End(frame.Revoked))
	}
}

// enlist makes the connection known under its token, before it is looked
// whether that was revoked: whoever revokes it later finds the connection.
func (c *Client) enlist() {
	c.house.registry.name(c, rights.Keys(c.sess.User(), c.sess.Claims()))
	c.endIfRevoked()
}

// reconsider asks anew what the client may do in the rooms that a change
// concerns, and calls done when what follows is done.
func (c *Client) reconsider(ch rights.Change, done func()) {
	c.post(func() {
		user := c.sess.User()
		tag, rooms := c.sess.Touched(func(r subject.Room) bool { return ch.Concerns(user, r) })
		if len(rooms) == 0 {
			done()
			return
		}
		c.house.desk.Again(c.question(rooms), func(a map[string]wire.RoomRights, p frame.Problem) {
			c.post(func() {
				c.carry(c.sess.Reconsidered(tag, a, p))
				done()
			})
		})
	})
}

// question asks what the client may do in rooms.
func (c *Client) question(rooms []subject.Room) wire.JoinAsk {
	q := wire.JoinAsk{User: c.sess.User(), Claims: c.sess.Claims(), Connection: c.ID(), Rooms: make([]string, len(rooms))}
	for i, r := range rooms {
		q.Rooms[i] = r.String()
	}
	return q
}

// askJoin asks authz. The connection is listed under the rooms before, so that
// a change is either in the answer or finds the connection.
func (c *Client) askJoin(d session.AskJoin) {
	rooms := keys(d.Rooms)
	c.house.registry.hold(c, rooms)
	c.house.desk.Join(c.question(d.Rooms), func(a map[string]wire.RoomRights, p frame.Problem) {
		c.post(func() {
			c.carry(c.sess.Decided(d.Tag, a, p))
			c.letGo(rooms)
		})
	})
}

// letGo takes the connection out of the list of those rooms that the session
// does not hold.
func (c *Client) letGo(rooms []string) {
	for _, key := range rooms {
		if !c.sess.Holds(key) {
			c.house.registry.letGo(c, key)
		}
	}
}

// renewed lets a newer token count: it may be revoked under another name, and
// say something else about what the client may do.
func (c *Client) renewed() {
	c.enlist()
	c.house.here.Inform(c.here, c.sess.Claims()[infoClaim])
	c.reconsider(rights.Everyone(), func() {})
}

// expel takes the client out of a room: what it hears then is the last of it.
func (c *Client) expel(d session.Expel) {
	key := d.Room.Key()
	delete(c.replays, key)
	c.vanish(d.Room)
	c.house.rooms.Expel(c.member, key, c.spell(frame.Left(d.Room.String(), d.Reason)))
	c.letGo([]string{key})
	if d.Kicked {
		c.house.meter.Moved(meter.Kicked)
	} else {
		c.house.meter.Moved(meter.Lost)
	}
}

// put puts the client into a room that it did not ask for. On its way into it
// already, by way of its past, it enters there.
func (c *Client) put(d session.Put) {
	key := d.Room.Key()
	rp := c.replays[key]
	into := []string{key}
	if rp != nil {
		into = nil
	}
	c.house.rooms.Enter(c.member, into, func(at frame.Position) []*room.Line {
		if rp != nil {
			at = frame.Position{Epoch: rp.after.Epoch, Offset: min(rp.after.Offset, at.Offset)}
		}
		return c.spell(frame.Joined(d.Room.String(), at))
	})
	c.house.meter.Moved(meter.PutInto)
}
