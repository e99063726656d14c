package session

import (
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// reading is the question whether a client may read something of a room: its
// past, or who is there.
type reading struct {
	ref  frame.Ref
	room subject.Room
	need wire.Right
	tag  Tag // of the call that it will be
	then Do  // the call

	stale bool // rights may have changed since authz was asked
}

func (*reading) question() {}

// history reads a room's past. It takes a right, not membership, and counts as
// a call under way.
func (s *Session) history(a frame.History) []Do {
	room, err := subject.ParseRoom(a.Room)
	switch {
	case err != nil:
		return []Do{notRoom(a.Ref)}
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{s.tooManyCalls(a.Ref)}
	}
	tag := s.next()
	return s.read(&reading{
		ref: a.Ref, room: room, need: wire.History, tag: tag,
		then: History{Tag: tag, Room: room, Before: a.Before, Limit: a.Limit},
	})
}

// read reads something of a room, if the client may.
func (s *Session) read(q *reading) []Do {
	s.calls[q.tag] = q.ref
	if p := s.rooms[q.room.Key()]; p != nil && p.ruled() {
		return s.mayRead(q, wire.RoomRights{Allow: true, Can: p.can})
	}
	tag := s.next()
	s.asked[tag] = q
	return []Do{AskJoin{Tag: tag, Rooms: []subject.Room{q.room}}}
}

func (s *Session) mayRead(q *reading, r wire.RoomRights) []Do {
	if !r.Allow || !slices.Contains(r.Can, q.need) {
		delete(s.calls, q.tag)
		return []Do{refuse(q.ref, or(r.Code, wire.Forbidden), why(r.Message, mayNot(q.need)))}
	}
	return []Do{q.then}
}

// Remembered takes the answer to History: a page of the past, or the problem.
func (s *Session) Remembered(tag Tag, page frame.Past, p frame.Problem) []Do {
	if page.Events == nil {
		page.Events = []frame.Event{} // a list in JSON too
	}
	return s.tell(tag, page, p)
}
