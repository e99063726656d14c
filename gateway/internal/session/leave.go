package session

import (
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func (s *Session) unsubscribe(a frame.Unsubscribe) []Do {
	if len(a.Rooms) > maxNamed {
		return tooManyNamed(a.Ref)
	}
	var left []subject.Room
	for _, name := range a.Rooms {
		room, err := subject.ParseRoom(name)
		if err != nil {
			return []Do{notRoom(a.Ref)}
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
			s.remove(key)
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
