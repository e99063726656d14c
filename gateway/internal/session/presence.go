package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Bounds of what a user says of himself, in bytes. Presence holds gateways to
// the same.
const (
	maxText = 256
	maxData = 1024
)

// maxNames is how many users one presence:get may name.
const maxNames = 200

// mostRosters is about how many bytes the rosters of one ack may hold. A room
// beyond it is entered without one: a client that asks for a hundred large
// rooms at once would hear an ack that is more than may wait for it.
const mostRosters = 512 << 10

// appear lets the client into the rosters of those rooms of j in which it may
// know who is there, and has those rosters asked for.
func (s *Session) appear(j *joining, rights func(subject.Room) wire.RoomRights) []Do {
	var rooms []subject.Room
	for i := range j.asks {
		ask := &j.asks[i]
		if ask.denied || ask.canceled {
			continue
		}
		p := s.rooms[ask.key]
		r := wire.RoomRights{Allow: true, Can: p.can}
		if !p.ruled() && rights != nil {
			r = rights(ask.Room)
		}
		may := r.Allow && slices.Contains(r.Can, wire.Presence)
		p.watches = p.watches || may && p.ruled() && watchable(ask.Room)
		if !j.presence {
			continue
		}
		if !may {
			ask.roster.Code = or(r.Code, wire.Forbidden)
			continue
		}
		p.here = true
		ask.appears = true
		rooms = append(rooms, ask.Room)
	}
	if len(rooms) == 0 {
		return s.look(j)
	}
	tag := s.next()
	s.asked[tag] = j
	j.appeared = tag
	return []Do{Appear{Tag: tag, Rooms: rooms}}
}

// watchable reports whether those in a room hear how a user is in the mesh.
func watchable(room subject.Room) bool { return room.Type == subject.User("").Type }

// Appeared takes the answer to Appear: who is in each room, in the order asked.
func (s *Session) Appeared(tag Tag, found []Roster) []Do {
	j, ok := s.asked[tag].(*joining)
	delete(s.asked, tag)
	if !ok || s.state == over {
		return nil
	}
	left := mostRosters
	for i := range j.asks {
		ask := &j.asks[i]
		if !ask.appears {
			continue
		}
		ask.roster, found = found[0], found[1:]
		if left -= size(ask.roster.Users); left < 0 {
			ask.roster = Roster{Code: wire.TooLarge}
		}
	}
	return s.look(j)
}

// size is about how many bytes users are in an ack.
func size(users []wire.PresenceUser) (n int) {
	const names = 120 // of the fields, and the numbers
	for _, u := range users {
		n += names + len(u.User) + len(u.Info) + len(u.Text) + len(u.Data)
	}
	return n
}

// tellRoster says in an ack who is in a room, or why that is not told.
func (s *Session) tellRoster(e *Enter, ask *roomAsk, told *frame.Entered) {
	if !ask.appears || !s.rooms[ask.key].here {
		told.NoPresence = or(ask.roster.Code, wire.Forbidden)
		return
	}
	e.Here = append(e.Here, ask.Room)
	if told.NoPresence = ask.roster.Code; told.NoPresence != "" {
		return
	}
	told.Presence = ask.roster.Users
	if told.Presence == nil {
		told.Presence = []wire.PresenceUser{} // a list in JSON too
	}
	if ask.roster.More {
		counts := ask.roster.Counts
		told.Counts = &counts
	}
}

// known brings what the client hears of others to the rights that it has in a
// room now.
func (p *place) known(room subject.Room, can []wire.Right) []Do {
	may := slices.Contains(can, wire.Presence)
	switch {
	case !may && (p.here || p.watches):
		p.here, p.watches = false, false
		return []Do{Vanish{Room: room}}
	case may && !p.watches && p.told && p.ruled() && watchable(room):
		p.watches = true
		return []Do{Watch{Room: room}}
	}
	return nil
}

// status says how the user is.
func (s *Session) status(a frame.Status) []Do {
	switch {
	case !slices.Contains([]string{wire.Online, wire.Away, wire.Busy, wire.Invisible}, a.Status):
		return []Do{refuse(a.Ref, wire.Invalid, "status is online, away, busy or invisible")}
	case len(a.Text) > maxText:
		return []Do{refuse(a.Ref, wire.Invalid, fmt.Sprintf("text is up to %d bytes", maxText))}
	case len(a.Data) > 0 && (len(a.Data) > maxData || !bytes.HasPrefix(a.Data, []byte("{")) || !json.Valid(a.Data)):
		return []Do{refuse(a.Ref, wire.Invalid, fmt.Sprintf("data is an object of up to %d bytes", maxData))}
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{s.tooManyCalls(a.Ref)}
	}
	tag := s.next()
	s.calls[tag] = a.Ref
	return []Do{Declare{Tag: tag, Status: wire.UserStatus{Status: a.Status, Text: a.Text, Data: a.Data}}}
}

// Declared takes the answer to Declare.
func (s *Session) Declared(tag Tag, p frame.Problem) []Do {
	return s.tell(tag, frame.Done{}, p)
}

// roster asks who is here. In a room that takes a right, not membership; of
// users each may ask who is in a room's roster with them.
func (s *Session) roster(a frame.Roster) []Do {
	switch {
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{s.tooManyCalls(a.Ref)}
	case a.Room == "" && len(a.Users) > maxNames:
		return []Do{refuse(a.Ref, wire.Invalid, fmt.Sprintf("at most %d users can be asked for at once", maxNames))}
	case a.Room == "":
		tag := s.next()
		s.calls[tag] = a.Ref
		return []Do{AskUsers{Tag: tag, Users: a.Users}}
	}
	room, err := subject.ParseRoom(a.Room)
	if err != nil {
		return []Do{notRoom(a.Ref)}
	}
	tag := s.next()
	return s.read(&reading{ref: a.Ref, room: room, need: wire.Presence, tag: tag, then: AskRoster{Tag: tag, Room: room, After: a.After}})
}

// Rostered takes the answer to AskRoster and AskUsers.
func (s *Session) Rostered(tag Tag, page frame.Here, p frame.Problem) []Do {
	if page.Users == nil {
		page.Users = []wire.PresenceUser{} // a list in JSON too
	}
	return s.tell(tag, page, p)
}
