package session

import (
	"fmt"
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// remembering is the question whether a client may read a room's past.
type remembering struct {
	ask  frame.History
	room subject.Room
	tag  Tag // of the call that it will be

	stale bool // rights may have changed since authz was asked
}

func (*remembering) question() {}

// history reads a room's past. It takes a right, not membership, and counts as
// a call under way.
func (s *Session) history(a frame.History) []Do {
	room, err := subject.ParseRoom(a.Room)
	switch {
	case err != nil:
		return []Do{refuse(a.Ref, wire.Invalid, "a room is type:id, such as task:42")}
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{refuse(a.Ref, wire.TooMany, fmt.Sprintf("%d calls are under way: await their answers", s.cfg.MaxCalls))}
	}
	q := &remembering{ask: a, room: room, tag: s.next()}
	s.calls[q.tag] = a.Ref
	if p := s.rooms[room.Key()]; p != nil && p.ruled() {
		return s.mayRemember(q, wire.RoomRights{Allow: true, Can: p.can})
	}
	tag := s.next()
	s.asked[tag] = q
	return []Do{AskJoin{Tag: tag, Rooms: []subject.Room{room}}}
}

func (s *Session) mayRemember(q *remembering, r wire.RoomRights) []Do {
	if !r.Allow || !slices.Contains(r.Can, wire.History) {
		delete(s.calls, q.tag)
		return []Do{refuse(q.ask.Ref, or(r.Code, wire.Forbidden), why(r.Message, mayNot(wire.History)))}
	}
	return []Do{History{Tag: q.tag, Room: q.room, Before: q.ask.Before, Limit: q.ask.Limit}}
}

// Remembered takes the answer to History: a page of the past, or the problem.
func (s *Session) Remembered(tag Tag, page frame.Past, p frame.Problem) []Do {
	ref, ok := s.calls[tag]
	delete(s.calls, tag)
	switch {
	case !ok || s.state == over:
		return nil
	case p.Is():
		return []Do{refuse(ref, p.Code, p.Message)}
	}
	if page.Events == nil {
		page.Events = []frame.Event{} // a list in JSON too
	}
	return []Do{Say{frame.Ack{Ref: ref, Body: page}}}
}
