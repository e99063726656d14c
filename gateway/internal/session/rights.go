package session

import (
	"maps"
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Reasons of room:left. A backend's own takes the place of the second.
const (
	lost   = "you may no longer be in this room"
	kicked = "a backend has taken you out"
)

// again is the question what the policy says now of rooms that the client is
// in.
type again struct{ rooms map[string]bool } // by room key

func (again) question() {}

// judged reports whether the policy's word says what the client may do in the
// room, or at least whom it may know there.
func (p *place) judged() bool { return p.ruled() || p.here || p.watches }

// Touched takes note that the client's rights may have changed in those rooms
// that concerned reports. It returns the rooms among them that the client is in
// by the policy's word, or whose rosters: answer with Reconsidered. What authz is being asked for
// now is asked once more when the answer comes, as that may be older.
func (s *Session) Touched(concerned func(subject.Room) bool) (tag Tag, rooms []subject.Room) {
	if s.state == over {
		return 0, nil
	}
	for _, q := range s.asked {
		touch(q, concerned)
	}
	keys := map[string]bool{}
	for _, key := range s.Rooms() {
		if room, ok := subject.ParseKey(key); ok && s.rooms[key].judged() && concerned(room) {
			keys[key] = true
			rooms = append(rooms, room)
		}
	}
	if len(rooms) == 0 {
		return 0, nil
	}
	for _, q := range s.asked {
		if older, ok := q.(again); ok { // its answer counts no more where a newer one is asked for
			for key := range keys {
				delete(older.rooms, key)
			}
		}
	}
	tag = s.next()
	s.asked[tag] = again{keys}
	return tag, rooms
}

// touch marks a question whose answer may be older than a change.
func touch(q question, concerned func(subject.Room) bool) {
	switch q := q.(type) {
	case *joining:
		q.stale = q.stale || slices.ContainsFunc(q.asks, func(a roomAsk) bool { return concerned(a.Room) })
	case *lane:
		q.stale = q.stale || concerned(q.queue[0].room)
	case *reading:
		q.stale = q.stale || concerned(q.room)
	}
}

// askAgain asks authz once more what an answer was about that may be older than
// a change of rights. A problem allows nothing, so its age does not matter.
func (s *Session) askAgain(q question, p frame.Problem) (todo []Do, again bool) {
	var rooms []subject.Room
	switch q := q.(type) {
	case *joining:
		if again, q.stale = q.stale, false; !again {
			return nil, false
		}
		for _, ask := range q.asks {
			if !ask.canceled && s.unsure(q, ask.key) && len(rooms) < s.cfg.MaxRooms {
				rooms = append(rooms, ask.Room)
			}
		}
	case *lane:
		if again, q.stale = q.stale, false; again {
			rooms = append(rooms, q.queue[0].room)
		}
	case *reading:
		if again, q.stale = q.stale, false; again {
			rooms = append(rooms, q.room)
		}
	}
	if p.Is() || len(rooms) == 0 {
		return nil, false
	}
	tag := s.next()
	s.asked[tag] = q
	return []Do{AskJoin{Tag: tag, Rooms: rooms}}, true
}

// Reconsidered takes authz's answer about the rooms of Touched, by room's name:
// the client leaves those that it may no longer be in. With a problem, answer is
// not read: nobody stays in a room because authz was silent, so the connection
// ends and may come back.
func (s *Session) Reconsidered(tag Tag, answer map[string]wire.RoomRights, p frame.Problem) (todo []Do) {
	q, ok := s.asked[tag].(again)
	delete(s.asked, tag)
	if !ok || s.state == over {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(q.rooms)) {
		place := s.rooms[key]
		room, ok := subject.ParseKey(key)
		if !ok || place == nil || !place.judged() {
			continue // left meanwhile, or put in by a backend
		}
		if p.Is() {
			return s.end(frame.Restart, refuse(frame.Ref{}, p.Code, p.Message))
		}
		r := answer[room.String()]
		if !r.Allow {
			r.Can = nil
		}
		if !place.ruled() {
			todo = append(todo, place.known(room, r.Can)...)
			continue
		}
		if slices.Contains(r.Can, wire.Subscribe) {
			place.can = r.Can
			todo = append(todo, place.known(room, r.Can)...)
			continue
		}
		s.lose(key)
		switch {
		case place.told:
			todo = append(todo, Expel{Room: room, Reason: lost})
		case place.here:
			todo = append(todo, Vanish{Room: room})
		}
	}
	return todo
}

// lose takes a room away. A subscribe that is still being answered says so.
func (s *Session) lose(key string) {
	s.remove(key)
	for _, q := range s.asked {
		if j, ok := q.(*joining); ok {
			for i := range j.asks {
				j.asks[i].lost = j.asks[i].lost || j.asks[i].key == key
			}
		}
	}
}

// remove takes the client out of a room that it is in.
func (s *Session) remove(key string) {
	if s.rooms[key].ruled() {
		s.entered--
	}
	delete(s.rooms, key)
}

// Join puts the client into a room by a backend's right, which the policy does
// not take away. It reports false when there is nobody to be put in.
func (s *Session) Join(room subject.Room) (todo []Do, did bool) {
	if s.state != in {
		return nil, false
	}
	key := room.Key()
	p := s.rooms[key]
	switch {
	case p == nil:
		p = &place{}
		s.rooms[key] = p
	case p.ruled():
		s.entered-- // what a backend decides does not count against what the client may
	}
	p.put, p.told, p.can = true, true, nil
	return []Do{Put{Room: room}}, true
}

// Leave takes the client out of a room by a backend's right. It reports false
// when the client is not in it, or when every connection of the user is.
func (s *Session) Leave(room subject.Room, reason string) (todo []Do, did bool) {
	key := room.Key()
	p := s.rooms[key]
	if s.state != in || p == nil || room == subject.All() || room == subject.User(s.user) {
		return nil, false
	}
	s.lose(key)
	switch {
	case !p.told && p.here:
		return []Do{Vanish{Room: room}}, true
	case !p.told:
		return nil, true
	}
	return []Do{Expel{Room: room, Reason: why(reason, kicked), Kicked: true}}, true
}

// In reports whether the client is in a room.
func (s *Session) In(key string) bool { return s.rooms[key] != nil }

// Holds reports whether a change of rights in a room can concern the session:
// whether the client is in it, or authz is being asked about it.
func (s *Session) Holds(key string) bool {
	if s.state == over || s.rooms[key] != nil {
		return s.state != over
	}
	for _, q := range s.asked {
		held := false
		touch(q, func(r subject.Room) bool { held = held || r.Key() == key; return false })
		if held {
			return true
		}
	}
	return false
}

// Rooms is the keys of the rooms that the client is in, in order.
func (s *Session) Rooms() []string { return slices.Sorted(maps.Keys(s.rooms)) }
