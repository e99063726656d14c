package session

import (
	"fmt"
	"slices"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// place is a room that the client is in.
type place struct {
	given bool         // entered by itself: the client cannot leave it
	put   bool         // a backend put the client in
	told  bool         // the client knows that it is in
	can   []wire.Right // what the policy allows; nil where it was not asked

	here    bool // in the room's roster, and told of the others
	watches bool // told of the user whose room it is
}

// ruled reports whether the client is in the room by the policy's word, which
// can change. In all others it has no rights but to hear.
func (p *place) ruled() bool { return !p.given && !p.put }

// joining is a subscribe on its way: first authz is asked about its rooms,
// then, where that is wanted, who is there and what they hold of their past.
type joining struct {
	ref   frame.Ref
	asks  []roomAsk // all rooms of the frame that are rooms, in its order, each once
	reply frame.Subscribed
	stale bool // rights may have changed since authz was asked

	presence bool // be in the rosters, and know them
	appeared Tag  // of Appear; 0: the rosters were not asked for
}

type roomAsk struct {
	PastAsk
	key      string
	denied   bool
	canceled bool // an unsubscribe came before the answer
	lost     bool // the right to it was lost before the answer
	looked   bool // the room is asked for its past
	appears  bool // the room is asked for its roster
	roster   Roster
}

// replay reports whether something of the past is wanted.
func (a PastAsk) replay() bool { return a.Since != nil || a.Last > 0 }

func (*joining) question() {}

// maxNamed is how many rooms one frame may name. A frame of a megabyte can
// name a third of a million, each of which is looked for among those that are
// being asked about and is answered by name, with a text.
const maxNamed = 1000

func tooManyNamed(ref frame.Ref) []Do {
	return []Do{refuse(ref, wire.TooMany, fmt.Sprintf("a frame may name %d rooms", maxNamed))}
}

func (s *Session) subscribe(a frame.Subscribe) []Do {
	if len(a.Rooms) > maxNamed {
		return tooManyNamed(a.Ref)
	}
	j := &joining{ref: a.Ref, presence: a.Presence, reply: frame.Subscribed{Rooms: []frame.Entered{}, Denied: []frame.Denied{}}}
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
		full := len(unknown) == s.cfg.MaxRooms // authz is not asked about more than can ever be entered
		switch {
		case s.rooms[key] == nil && full:
			j.deny(ask.Room, wire.TooMany, s.tooMany())
			continue
		case s.unsure(j, key) && !full:
			unknown = append(unknown, room)
		}
		j.asks = append(j.asks, roomAsk{PastAsk: PastAsk{Room: room, Since: ask.Since, Last: ask.Last}, key: key})
	}
	if len(unknown) == 0 {
		return s.enter(j, nil) // in all of them already: there is nothing to judge
	}
	tag := s.next()
	s.asked[tag] = j
	return []Do{AskJoin{Tag: tag, Rooms: unknown}}
}

// unsure reports whether it takes authz's word to let the client into a room, or
// into its roster.
func (s *Session) unsure(j *joining, key string) bool {
	p := s.rooms[key]
	return p == nil || j.presence && !p.ruled()
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
	if todo, again := s.askAgain(why, p); again {
		return todo
	}
	switch why := why.(type) {
	case *joining:
		return s.enter(why, rights)
	case *lane:
		return s.judged(why, rights)
	case *reading:
		return s.mayRead(why, rights(why.room))
	}
	return nil
}

// enter lets the client into those rooms of j that it is in already or that
// rights allows, once it is known who is there and what they hold of what the
// client wants.
func (s *Session) enter(j *joining, rights func(subject.Room) wire.RoomRights) []Do {
	for i := range j.asks {
		if ask := &j.asks[i]; !ask.canceled && s.rooms[ask.key] == nil {
			s.judgeRoom(j, ask, rights)
		}
	}
	return s.appear(j, rights)
}

// look finds out what the rooms of j hold of what the client wants.
func (s *Session) look(j *joining) []Do {
	var past []PastAsk
	for i := range j.asks {
		ask := &j.asks[i]
		if ask.looked = !ask.denied && !ask.canceled && ask.replay(); ask.looked {
			past = append(past, ask.PastAsk)
		}
	}
	if len(past) == 0 {
		return s.settle(j, nil)
	}
	tag := s.next()
	s.asked[tag] = j
	return []Do{Look{Tag: tag, Rooms: past}}
}

// judgeRoom lets the client into one room, or denies it.
func (s *Session) judgeRoom(j *joining, ask *roomAsk, rights func(subject.Room) wire.RoomRights) {
	name := ask.Room.String()
	ask.denied = true
	r := rights(ask.Room)
	switch {
	case !r.Allow || !slices.Contains(r.Can, wire.Subscribe):
		j.deny(name, or(r.Code, wire.Forbidden), why(r.Message, "you may not enter this room"))
	case s.entered >= s.cfg.MaxRooms:
		j.deny(name, wire.TooMany, s.tooMany())
	default:
		ask.denied = false
		s.entered++
		s.rooms[ask.key] = &place{can: r.Can}
	}
}

const left = "unsubscribed before it was entered"

// Looked takes the answer to Look: what each room holds, in the order asked.
func (s *Session) Looked(now time.Time, tag Tag, found []Found) []Do {
	why, ok := s.asked[tag]
	delete(s.asked, tag)
	if !ok || s.state == over {
		return nil
	}
	switch why := why.(type) {
	case *joining:
		return s.settle(why, found)
	case *greeting:
		return s.greeted(now, why, found)
	}
	return nil
}

// settle tells the client where it is now. found is what was found of the
// rooms whose past was asked for, in their order.
func (s *Session) settle(j *joining, found []Found) []Do {
	e := Enter{Ref: j.ref, Appeared: j.appeared}
	for i := range j.asks {
		ask := &j.asks[i]
		var f Found
		if ask.looked {
			f, found = found[0], found[1:]
		}
		switch {
		case ask.denied:
			continue
		case ask.lost && s.rooms[ask.key] == nil:
			j.deny(ask.Room.String(), wire.Forbidden, lost)
			continue
		case ask.canceled || s.rooms[ask.key] == nil:
			j.deny(ask.Room.String(), wire.Invalid, left)
			continue
		case f.Replay:
			e.Replays = append(e.Replays, Replay{Room: ask.Room, After: f.After})
		default:
			e.Rooms = append(e.Rooms, ask.Room)
		}
		s.rooms[ask.key].told = true
		if s.rooms[ask.key].watches {
			e.Watch = append(e.Watch, ask.Room)
		}
		told := frame.Entered{Room: ask.Room.String()}
		if f.Replay {
			told.Missed = &f.Events
			// Not where it enters later: whoever has counted what it missed
			// takes this for its position.
			told.Offset, told.Epoch = f.UpTo.Offset, f.UpTo.Epoch
		}
		if ask.Since != nil {
			told.Recovered = &f.Recovered
		}
		if j.presence {
			s.tellRoster(&e, ask, &told)
		}
		j.reply.Rooms = append(j.reply.Rooms, told)
	}
	e.Reply = j.reply
	return []Do{e}
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
