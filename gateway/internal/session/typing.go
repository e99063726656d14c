package session

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// typingEnds is after how long a silence a user has stopped to write.
const typingEnds = 6 * time.Second

// maxTyping is in how many rooms a connection may be writing at once.
const maxTyping = 100

// writes is what a signal says of writing; nil: it is any other.
type writes struct {
	at      time.Time // when the client said so
	stopped bool
}

// typing tells the others in a room that the user writes, or has stopped. It
// goes where the connection's other signals go, in order with them.
func (s *Session) typing(now time.Time, a frame.Typing) []Do {
	room, err := subject.ParseRoom(a.Room)
	switch {
	case err != nil:
		return []Do{notRoom(a.Ref)}
	case room.Type == subject.All().Type:
		return []Do{refuse(a.Ref, wire.Forbidden, "only backends publish to "+room.String())}
	case len(s.writing) >= maxTyping && !a.Stopped:
		return []Do{refuse(a.Ref, wire.TooMany, fmt.Sprintf("a connection may be writing in %d rooms at once", maxTyping))}
	}
	return s.line(&s.signals, post{ask: frame.Publish{Ref: a.Ref}, room: room, writes: &writes{now, a.Stopped}})
}

// wrote notes what the others are told.
func (s *Session) wrote(room subject.Room, w *writes) frame.Event {
	if w.stopped {
		delete(s.writing, room)
	} else {
		if s.writing == nil {
			s.writing = map[subject.Room]time.Time{}
		}
		s.writing[room] = w.at
	}
	return frame.Typist(room.String(), s.user, w.stopped)
}

// stopTyping tells the others that the user has stopped to write, in each room
// of which over says so by when the client last said that he writes.
func (s *Session) stopTyping(over func(said time.Time) bool) (todo []Do) {
	rooms := slices.SortedFunc(maps.Keys(s.writing), func(a, b subject.Room) int { return cmp.Compare(a.String(), b.String()) })
	for _, room := range rooms {
		if !over(s.writing[room]) {
			continue
		}
		delete(s.writing, room)
		todo = append(todo, Signal{Room: room, Event: frame.Typist(room.String(), s.user, true), Except: true, Own: true})
	}
	return todo
}
