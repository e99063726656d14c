package session

import (
	"fmt"
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// place is a room that the client is in.
type place struct {
	given bool         // entered by itself; it cannot be left and has no rights of its own
	can   []wire.Right // what authz allowed when it was entered
}

// joining is the question about the rooms of one subscribe.
type joining struct {
	ref   frame.Ref
	asks  []roomAsk // all rooms of the frame that are rooms, in its order, each once
	reply frame.Subscribed
}

type roomAsk struct {
	room     subject.Room
	key      string
	replay   bool // something of the past was asked for
	canceled bool // an unsubscribe came before the answer
}

func (*joining) question() {}

func (s *Session) subscribe(a frame.Subscribe) []Do {
	j := &joining{ref: a.Ref, reply: frame.Subscribed{Rooms: []frame.Entered{}, Denied: []frame.Denied{}}}
	var unknown []subject.Room
	for _, ask := range a.Rooms {
		room, err := subject.ParseRoom(ask.Room)
		if err != nil {
			j.deny(ask.Room, wire.Invalid, "a room is type:id, such as task:42")
			continue
		}
		key := room.Key()
		if slices.ContainsFunc(j.asks, func(r roomAsk) bool { return r.key == key }) {
			continue
		}
		if s.rooms[key] == nil {
			if len(unknown) == s.cfg.MaxRooms { // authz is not asked about more than can ever be entered
				j.deny(ask.Room, wire.TooMany, s.tooMany())
				continue
			}
			unknown = append(unknown, room)
		}
		j.asks = append(j.asks, roomAsk{room: room, key: key, replay: ask.Since != nil || ask.Last > 0})
	}
	if len(unknown) == 0 {
		return s.enter(j, nil)
	}
	tag := s.next()
	s.asked[tag] = j
	return []Do{AskJoin{Tag: tag, Rooms: unknown}}
}

func (j *joining) deny(room string, code wire.Code, message string) {
	j.reply.Denied = append(j.reply.Denied, frame.Denied{Room: room, Code: code, Message: message})
}

// Decided takes authz's answer to AskJoin, by room's name; with a problem,
// answer is not read and nothing is allowed.
func (s *Session) Decided(tag Tag, answer map[string]wire.RoomRights, p frame.Problem) []Do {
	why, ok := s.asked[tag]
	delete(s.asked, tag)
	if !ok || s.state == over {
		return nil
	}
	rights := func(room subject.Room) wire.RoomRights {
		if p.Is() {
			return wire.RoomRights{Code: p.Code, Message: p.Message}
		}
		return answer[room.String()]
	}
	switch why := why.(type) {
	case *joining:
		return s.enter(why, rights)
	case *lane:
		return s.judged(why, rights)
	}
	return nil
}

// enter lets the client into those rooms of j that it is in already or that
// rights allows.
func (s *Session) enter(j *joining, rights func(subject.Room) wire.RoomRights) []Do {
	var rooms []subject.Room
	for _, ask := range j.asks {
		name := ask.room.String()
		switch {
		case ask.canceled:
			j.deny(name, wire.Invalid, "unsubscribed before it was entered")
			continue
		case s.rooms[ask.key] != nil:
		case rights == nil: // it was in when it asked and has left since
			j.deny(name, wire.Invalid, "unsubscribed before it was entered")
			continue
		default:
			r := rights(ask.room)
			if !r.Allow || !slices.Contains(r.Can, wire.Subscribe) {
				j.deny(name, or(r.Code, wire.Forbidden), why(r.Message, "you may not enter this room"))
				continue
			}
			if s.entered >= s.cfg.MaxRooms {
				j.deny(name, wire.TooMany, s.tooMany())
				continue
			}
			s.entered++
			s.rooms[ask.key] = &place{can: r.Can}
		}
		e := frame.Entered{Room: name}
		if ask.replay {
			e.Recovered = new(bool)
		}
		rooms = append(rooms, ask.room)
		j.reply.Rooms = append(j.reply.Rooms, e)
	}
	return []Do{Enter{Ref: j.ref, Rooms: rooms, Reply: j.reply}}
}

func (s *Session) tooMany() string {
	return fmt.Sprintf("a connection may be in %d rooms", s.cfg.MaxRooms)
}

func why(message, def string) string {
	if message == "" {
		return def
	}
	return message
}

func (s *Session) unsubscribe(a frame.Unsubscribe) []Do {
	var left []subject.Room
	for _, name := range a.Rooms {
		room, err := subject.ParseRoom(name)
		if err != nil {
			return []Do{refuse(a.Ref, wire.Invalid, "a room is type:id, such as task:42")}
		}
		if p := s.rooms[room.Key()]; p != nil && p.given {
			return []Do{refuse(a.Ref, wire.Invalid, "every connection stays in "+name)}
		}
		left = append(left, room)
	}
	out := left[:0]
	for _, room := range left {
		key := room.Key()
		s.cancel(key)
		if s.rooms[key] != nil {
			delete(s.rooms, key)
			s.entered--
			out = append(out, room)
		}
	}
	done := Say{frame.Ack{Ref: a.Ref, Body: frame.Done{}}}
	if len(out) == 0 {
		return []Do{done}
	}
	return []Do{Leave{Rooms: out}, done}
}

// cancel takes a room out of subscribes that authz has not answered yet.
func (s *Session) cancel(key string) {
	for _, q := range s.asked {
		j, ok := q.(*joining)
		if !ok {
			continue
		}
		for i := range j.asks {
			if j.asks[i].key == key {
				j.asks[i].canceled = true
			}
		}
	}
}
