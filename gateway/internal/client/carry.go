package client

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/relay"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// carry carries out what the session decided, in its order. It is called in a
// turn.
func (c *Client) carry(todo []session.Do) {
	for _, do := range todo {
		c.one(do)
	}
}

func (c *Client) one(do session.Do) {
	switch d := do.(type) {
	case session.Say:
		c.say(d.Out)
	case session.AskConnect:
		c.askConnect(d)
	case session.AskJoin:
		c.askJoin(d)
	case session.Greet:
		c.greet(d)
	case session.Look:
		c.look(d)
	case session.Enter:
		c.enter(d)
	case session.Leave:
		c.vanish(d.Rooms...)
		c.leave(keys(d.Rooms))
		c.letGo(keys(d.Rooms))
	case session.Expel:
		c.expel(d)
	case session.Put:
		c.put(d)
	case session.Appear:
		c.appear(d)
	case session.Vanish:
		c.vanish(d.Room)
	case session.Watch:
		c.house.here.Watch(c.here, d.Room)
	case session.Declare:
		c.declare(d)
	case session.AskRoster:
		c.askRoster(d)
	case session.AskUsers:
		c.askUsers(d)
	case session.History:
		c.history(d)
	case session.Store:
		c.store(d)
	case session.Signal:
		c.signal(d)
	case session.Ask:
		c.call(d)
	case session.Beat:
		c.beat(d)
	case session.Close:
		c.Outbox().Finish(d.End)
	}
}

// say tells the client something; an ack that it does not want is not told.
func (c *Client) say(o frame.Out) {
	for _, l := range c.spell(o) {
		c.Outbox().Offer(l)
	}
}

func (c *Client) spell(o frame.Out) []*room.Line {
	if a, ok := o.(frame.Ack); ok && !a.Ref.Wanted {
		return nil
	}
	packets := c.talk.Say(o)
	if len(packets) == 0 {
		return nil
	}
	return []*room.Line{{Wire: c.house.frame(packets)}}
}

func (c *Client) write(packets []door.Packet) {
	if len(packets) > 0 {
		c.Outbox().Offer(&room.Line{Wire: c.house.frame(packets)})
	}
}

func keys(rooms []subject.Room) []string {
	keys := make([]string, len(rooms))
	for i, r := range rooms {
		keys[i] = r.Key()
	}
	return keys
}

func (c *Client) askConnect(d session.AskConnect) {
	q := wire.ConnectAsk{Token: d.Token, Door: c.caller.Door, IP: c.caller.IP, Origin: c.caller.Origin}
	c.house.Judge(q, func(a wire.ConnectAnswer, p frame.Problem) {
		c.post(func() {
			renews := c.pool != nil
			if !p.Is() && (!renews || a.User == c.sess.User()) {
				c.grant(a.Limits)
			}
			c.carry(c.sess.Admitted(c.house.cfg.Now(), d.Tag, a, p))
			if renews && !p.Is() && !c.sess.Over() {
				c.renewed()
			}
		})
	})
}

// greet makes the connection known, lets it into its own rooms and tells it so.
// Before, nothing from the bus could reach it: nobody knows yet who it is.
func (c *Client) greet(d session.Greet) {
	c.pool = c.house.pools.enter(d.Hello.User)
	if c.enlist(); c.sess.Over() {
		return
	}
	c.house.rooms.Add(c.member, keys(d.Rooms), func(at frame.Position) []*room.Line {
		if len(d.Replays) == 0 {
			d.Hello.Position = at
		}
		lines := c.spell(d.Hello)
		for _, o := range d.Then {
			lines = append(lines, c.spell(o)...)
		}
		return lines
	})
	c.attend()
	c.replay(d.Replays)
}

func (c *Client) enter(d session.Enter) {
	c.leave(replayed(d.Replays)) // from those that it is in already it hears nothing until it is there again
	here := make([]string, 0, len(d.Rooms))
	onTheWay := map[string]*replay{}
	for _, r := range d.Rooms {
		if rp := c.replays[r.Key()]; rp != nil {
			onTheWay[r.String()] = rp // it enters when it has been told its past, not before
			continue
		}
		here = append(here, r.Key())
	}
	c.house.rooms.Enter(c.member, here, func(at frame.Position) []*room.Line {
		for i := range d.Reply.Rooms {
			told := &d.Reply.Rooms[i]
			switch rp := onTheWay[told.Room]; {
			case rp != nil:
				told.Offset, told.Epoch = min(rp.after.Offset, at.Offset), rp.after.Epoch
			case told.Epoch == "":
				told.Offset, told.Epoch = at.Offset, at.Epoch
			}
		}
		return c.spell(frame.Ack{Ref: d.Ref, Body: d.Reply})
	})
	c.stay(d)
	c.replay(d.Replays)
}

func (c *Client) leave(keys []string) {
	for _, key := range keys {
		delete(c.replays, key)
	}
	c.house.rooms.Leave(c.member, keys)
}

// beat tells the time and the position. While rooms are being replayed, it is
// no further than the replay that is furthest behind.
func (c *Client) beat(d session.Beat) {
	now := c.house.cfg.Now().UnixMilli()
	c.house.rooms.Enter(c.member, nil, func(at frame.Position) []*room.Line {
		for _, r := range c.replays {
			at.Offset = min(at.Offset, r.after.Offset)
		}
		return c.spell(frame.Ack{Ref: d.Ref, Body: frame.Beat{Time: now, Position: at}})
	})
}

func (c *Client) except(on bool) string {
	if on {
		return c.ID()
	}
	return ""
}

// store sends a durable event. Its id on the bus is the client's key below its
// user and room, so that nobody's key meets another's; or else the
// connection's own count.
func (c *Client) store(d session.Store) {
	c.posts++
	id := c.ID() + "." + strconv.FormatUint(c.posts, 10)
	if d.Key != "" {
		id = fmt.Sprintf("key.%s.%s.%s", subject.Escape(c.sess.User()), d.Room.Key(), subject.Escape(d.Key))
	}
	out := relay.Outgoing{Room: d.Room, Event: d.Event, Except: c.except(d.Except), ID: id}
	c.house.relay.Store(out, func(offset uint64, p frame.Problem) {
		c.post(func() { c.carry(c.sess.Stored(offset, p)) })
	})
}

func (c *Client) signal(d session.Signal) {
	p := c.house.relay.Signal(relay.Outgoing{Room: d.Room, Event: d.Event, Except: c.except(d.Except)})
	if d.Own {
		return // those in the room forget by themselves who writes
	}
	if p.Is() {
		c.say(frame.Refused{Ref: d.Ref, Code: p.Code, Message: p.Message})
		return
	}
	c.say(frame.Ack{Ref: d.Ref, Body: frame.Done{}})
}

func (c *Client) call(d session.Ask) {
	q := ask.Call{Event: d.Event, User: c.sess.User(), Conn: c.ID(), Door: c.caller.Door, Data: d.Data}
	c.house.asker.Call(q, func(data json.RawMessage, p frame.Problem) {
		c.post(func() { c.carry(c.sess.Replied(d.Tag, data, p)) })
	})
}
