package client

import (
	"sync"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Control does what a backend asks to the connections that it means, and calls
// done with those that it touched, in no order. ask must have been checked:
// Room is a room where it has to be.
func (h *House) Control(verb wire.CtlVerb, ask wire.CtlAsk, done func([]wire.CtlConnection)) {
	list := h.meant(ask)
	var (
		mu      sync.Mutex // guards touched and left
		touched = []wire.CtlConnection{}
		left    = len(list)
	)
	if left == 0 {
		done(touched)
		return
	}
	for _, c := range list {
		c.post(func() {
			one, did := c.control(verb, ask)
			mu.Lock()
			if did {
				touched = append(touched, one)
			}
			left--
			last := left == 0
			mu.Unlock()
			if last {
				done(touched)
			}
		})
	}
}

// meant is the connections that an ask may mean.
func (h *House) meant(ask wire.CtlAsk) []*Client {
	switch {
	case ask.Connection != "":
		return h.registry.id(ask.Connection)
	case ask.User != "":
		return h.registry.user(ask.User)
	}
	room, err := subject.ParseRoom(ask.Room)
	if err != nil {
		return nil
	}
	list := h.registry.holders(room.Key()) // on their way into it, too
	seen := make(map[*Client]bool, len(list))
	for _, c := range list {
		seen[c] = true
	}
	for _, id := range h.rooms.Members(room.Key()) {
		for _, c := range h.registry.id(id) {
			if !seen[c] {
				list = append(list, c)
			}
		}
	}
	return list
}

// control does what a backend asks to this connection, and tells of it: as it
// is then, or as it was if it ends.
func (c *Client) control(verb wire.CtlVerb, ask wire.CtlAsk) (one wire.CtlConnection, did bool) {
	if c.sess.Over() {
		return one, false
	}
	room, err := subject.ParseRoom(ask.Room)
	switch verb {
	case wire.CtlGet, wire.CtlClose:
		if did = ask.Room == "" || err == nil && c.sess.In(room.Key()); !did {
			return one, false
		}
		one = c.shown()
		if verb == wire.CtlClose {
			c.why = shortened(ask.Reason)
			c.carry(c.sess.End(frame.Revoked))
		}
		return one, true
	case wire.CtlJoin:
		var todo []session.Do
		todo, did = c.sess.Join(room)
		c.carry(todo)
	case wire.CtlLeave:
		var todo []session.Do
		todo, did = c.sess.Leave(room, ask.Reason)
		c.carry(todo)
	}
	return c.shown(), did
}

// shown is the connection as backends see it.
func (c *Client) shown() wire.CtlConnection {
	one := wire.CtlConnection{
		Connection: c.ID(), User: c.sess.User(), Gateway: c.house.cfg.Gateway, Door: c.caller.Door, Rooms: []string{},
	}
	for _, key := range c.sess.Rooms() {
		if r, ok := subject.ParseKey(key); ok {
			one.Rooms = append(one.Rooms, r.String())
		}
	}
	return one
}

// maxReason is the bytes of a close frame's reason (RFC 6455 section 5.5).
const maxReason = 123

// shortened is as much of a reason as a close frame holds, in whole characters.
func shortened(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	cut := maxReason
	for !utf8.RuneStart(reason[cut]) {
		cut--
	}
	return reason[:cut]
}
