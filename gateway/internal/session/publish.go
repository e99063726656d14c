package session

import (
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// MaxKey is the length of a publish's key, in bytes.
const MaxKey = 128

// lane is a client's publishes of one kind, one under way at a time, so that
// they are stored and told in the order in which they were asked.
type lane struct {
	queue []post
	busy  bool // the first waits for authz or for the log
	stale bool // rights may have changed since authz was asked about the first
}

// post is one publish in its lane.
type post struct {
	ask     frame.Publish
	room    subject.Room
	allowed bool // authz said so

	writes *writes
}

func (*lane) question() {}

// need is the right that the publish takes.
func (p *post) need() wire.Right {
	if p.ask.Durable {
		return wire.Publish
	}
	return wire.Signal
}

// reserved are names that only the server says, and those that Socket.IO
// clients keep for themselves: hearing one would close them.
func reserved(event string) bool {
	switch event {
	case "connected", "room:joined", "room:left", "server:shutdown", "token:expiring", "error",
		"presence:update", "user:typing", "user:stopped-typing",
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func (s *Session) publish(a frame.Publish) []Do {
	room, err := subject.ParseRoom(a.Room)
	switch {
	case err != nil:
		return []Do{notRoom(a.Ref)}
	case !subject.ValidEvent(a.Event):
		return []Do{refuse(a.Ref, wire.Invalid, "an event's name is 1 to 128 bytes without control characters, outer spaces or empty parts between colons")}
	case reserved(a.Event):
		return []Do{refuse(a.Ref, wire.Invalid, a.Event+" is a name that only the server may say")}
	case len(a.Key) > MaxKey || a.Key != "" && !a.Durable:
		return []Do{refuse(a.Ref, wire.Invalid, "key is up to 128 bytes and goes with durable")}
	case room.Type == subject.All().Type:
		return []Do{refuse(a.Ref, wire.Forbidden, "only backends publish to "+room.String())}
	}
	l := &s.signals
	if a.Durable {
		l = &s.durable
	}
	return s.line(l, post{ask: a, room: room})
}

// line puts a publish last into its lane.
func (s *Session) line(l *lane, p post) []Do {
	if len(l.queue) >= s.cfg.MaxWaiting {
		return []Do{refuse(p.ask.Ref, wire.TooMany, "too many publishes wait: await their acks")}
	}
	l.queue = append(l.queue, p)
	return s.advance(l)
}

// advance does what can be done of a lane's publishes, up to the first that
// has to wait.
func (s *Session) advance(l *lane) (todo []Do) {
	for !l.busy && len(l.queue) > 0 {
		p := &l.queue[0]
		need := p.need()
		place := s.rooms[p.room.Key()]
		switch {
		case p.allowed || place != nil && slices.Contains(place.can, need):
			todo = append(todo, s.post(l))
		case place != nil && place.ruled():
			todo = append(todo, refuse(p.ask.Ref, wire.Forbidden, mayNot(need)))
			l.pop()
		default:
			// Publishing takes a right, not membership.
			tag := s.next()
			s.asked[tag] = l
			l.busy = true
			todo = append(todo, AskJoin{Tag: tag, Rooms: []subject.Room{p.room}})
		}
	}
	return todo
}

func mayNot(need wire.Right) string {
	return "you have not the right " + string(need) + " in this room"
}

func (l *lane) pop() {
	l.queue[0] = post{}
	l.queue = l.queue[1:]
	l.busy = false
	if len(l.queue) == 0 {
		l.queue = nil // an idle connection keeps no array
	}
}

// post sends the first of the lane. A signal is gone with that; a durable
// event keeps the lane until it is stored.
func (s *Session) post(l *lane) Do {
	p := l.queue[0]
	e := frame.Event{Name: p.ask.Event, Room: p.room.String(), Data: p.ask.Data, Binary: p.ask.Binary, From: s.user}
	if !p.ask.Durable {
		l.pop()
		if p.writes != nil {
			e = s.wrote(p.room, p.writes)
		}
		return Signal{Ref: p.ask.Ref, Room: p.room, Event: e, Except: !p.ask.Echo}
	}
	l.busy = true
	return Store{Room: p.room, Event: e, Key: p.ask.Key, Except: !p.ask.Echo}
}

// judged goes on with a lane whose first publish authz was asked about.
func (s *Session) judged(l *lane, rights func(subject.Room) wire.RoomRights) []Do {
	p := &l.queue[0]
	need := p.need()
	l.busy = false
	r := rights(p.room)
	if r.Allow && slices.Contains(r.Can, need) {
		p.allowed = true
		return s.advance(l)
	}
	no := refuse(p.ask.Ref, or(r.Code, wire.Forbidden), why(r.Message, mayNot(need)))
	l.pop()
	return append([]Do{no}, s.advance(l)...)
}

// Stored takes the answer to Store: the event's offset, or the problem. One
// Store of a session is under way at a time, so it needs no tag.
func (s *Session) Stored(offset uint64, p frame.Problem) []Do {
	if s.state == over || len(s.durable.queue) == 0 {
		return nil
	}
	ref := s.durable.queue[0].ask.Ref
	s.durable.pop()
	var said frame.Out = frame.Ack{Ref: ref, Body: frame.Stored{Offset: offset}}
	if p.Is() {
		said = frame.Refused{Ref: ref, Code: p.Code, Message: p.Message, RetryAfterMs: p.RetryAfterMs}
	}
	return append([]Do{Say{said}}, s.advance(&s.durable)...)
}
