// Package session decides what one client's asks lead to.
//
// It is pure: asks and answers go in, a list of things to do comes out, time
// is an argument. It owns no socket, asks nobody and waits for nothing; the
// client package carries out what it decides and brings back the answers. So
// every order of asks and answers can be told as a story in a table.
//
// Read session.go (a connection's life), then rooms.go and leave.go,
// presence.go (who is there), rights.go (rights that change, and what backends
// may do), publish.go, typing.go, call.go and history.go; do.go lists all that
// can come out.
package session

import (
	"encoding/json"
	"math"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says what a session may do; New fills in what is zero.
type Config struct {
	Connection string        // its id
	Gateway    string        // the gateway's id, told to the client
	Heartbeat  time.Duration // told to the client; 0 means 25s
	AuthWait   time.Duration // how long a token may take to come; 0 means 10s
	Warning    time.Duration // told this long before the token ends; 0 means 30s
	MaxRooms   int           // rooms entered at once, beside those given; 0 means 100
	MaxCalls   int           // calls under way at once; 0 means 32
	MaxWaiting int           // publishes, or frames before the token is judged, that wait; 0 means 64
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p   *time.Duration
		def time.Duration
	}{{&c.Heartbeat, 25 * time.Second}, {&c.AuthWait, 10 * time.Second}, {&c.Warning, 30 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	for _, d := range []struct {
		p   *int
		def int
	}{{&c.MaxRooms, 100}, {&c.MaxCalls, 32}, {&c.MaxWaiting, 64}} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	return c
}

// Malformed frames within any minute that end a connection.
const (
	abuseFrames = 10
	abuseWithin = time.Minute
)

type state int

const (
	fresh   state = iota // no token was seen yet
	judging              // authz is asked about the first one
	in
	over // the end was decided: nothing more is heard
)

// Session is one client's. Not safe for concurrent use.
type Session struct {
	cfg    Config
	state  state
	opened time.Time

	user    string
	claims  map[string]json.RawMessage
	expires int64 // unix ms; 0: never
	warned  bool  // of expires

	tag   Tag
	asked map[Tag]question  // asks to authz whose answer is not here yet
	calls map[Tag]frame.Ref // asked of backends or of the past
	held  []frame.In        // came while judging

	rooms   map[string]*place // by room key; entered, not merely asked for
	entered int               // of rooms, those that count against MaxRooms
	durable lane
	signals lane
	writing map[subject.Room]time.Time // where the user writes, and when the client said so last; nil: nowhere

	renewed   Tag         // of the newest token that was asked about and accepted
	malformed []time.Time // when those of the last minute came, oldest first
}

// Tag ties an answer to its question. Tags of one session are unique.
type Tag uint64

// question is what authz was asked, and for what.
type question interface{ question() }

// New begins a session at now, before any token was seen.
func New(cfg Config, now time.Time) *Session {
	return &Session{
		cfg: cfg.withDefaults(), opened: now,
		asked: map[Tag]question{}, calls: map[Tag]frame.Ref{}, rooms: map[string]*place{},
	}
}

// User is who the client is, or "" before a token was accepted.
func (s *Session) User() string { return s.user }

// Claims are those of the token that holds now.
func (s *Session) Claims() map[string]json.RawMessage { return s.claims }

// AllowRooms changes how many rooms may be entered at once, beside those given;
// 0 means without bound.
func (s *Session) AllowRooms(most int) {
	if most == 0 {
		most = math.MaxInt
	}
	s.cfg.MaxRooms = most
}

// Over reports whether the session has ended.
func (s *Session) Over() bool { return s.state == over }

func (s *Session) next() Tag { s.tag++; return s.tag }

// Hear takes what the client asks.
func (s *Session) Hear(now time.Time, ask frame.In) []Do {
	switch s.state {
	case over:
		return nil
	case judging:
		if _, broken := ask.(frame.Broken); broken {
			break
		}
		if len(s.held) >= s.cfg.MaxWaiting {
			return []Do{refuse(frame.RefOf(ask), wire.TooMany, "wait for the answer to auth")}
		}
		s.held = append(s.held, ask)
		return nil
	case fresh:
		if a, ok := ask.(frame.Auth); ok {
			s.state = judging
			return s.askConnect(a.Token, admission{ref: a.Ref, since: a.Since})
		}
		if _, broken := ask.(frame.Broken); !broken {
			return s.end(frame.Unauthorized, refuse(frame.RefOf(ask), wire.Unauthorized, "the first frame brings a token: event auth"))
		}
	case in:
	}
	switch a := ask.(type) {
	case frame.Auth:
		return []Do{refuse(a.Ref, wire.Invalid, "a token was accepted already: use auth:refresh")}
	case frame.Subscribe:
		return s.subscribe(a)
	case frame.Unsubscribe:
		return s.unsubscribe(a)
	case frame.Publish:
		return s.publish(a)
	case frame.Call:
		return s.call(a)
	case frame.History:
		return s.history(a)
	case frame.Status:
		return s.status(a)
	case frame.Typing:
		return s.typing(now, a)
	case frame.Roster:
		return s.roster(a)
	case frame.Refresh:
		return s.askConnect(a.Token, renewal{ref: a.Ref})
	case frame.Heartbeat:
		return []Do{Beat{Ref: a.Ref}}
	case frame.Wrong:
		return []Do{refuse(a.Ref, wire.Invalid, a.Text)}
	case frame.Malformed:
		return s.unreadable(now, a)
	case frame.Broken:
		return s.end(a.End)
	}
	panic("session: a frame.In that is not heard")
}

func (s *Session) unreadable(now time.Time, m frame.Malformed) []Do {
	s.malformed = append(s.malformed, now)
	for now.Sub(s.malformed[0]) >= abuseWithin {
		s.malformed = s.malformed[1:]
	}
	said := refuse(m.Ref, wire.Invalid, m.Text)
	if len(s.malformed) >= abuseFrames {
		return s.end(frame.Abuse, said)
	}
	return []Do{said}
}

// End ends the session for a reason that comes from outside it: a drain, a
// slow client, a flood. What it returns closes the connection.
func (s *Session) End(e frame.End) []Do { return s.end(e) }

// end says the last words, if any, and closes. It is decided once.
func (s *Session) end(e frame.End, last ...Do) []Do {
	if s.state == over {
		return nil
	}
	s.state = over
	s.held, s.durable, s.signals = nil, lane{}, lane{}
	stops := s.stopTyping(func(time.Time) bool { return true })
	return append(append(last, stops...), Close{End: e})
}

// Tick tells what time it is, about once a second.
func (s *Session) Tick(now time.Time) []Do {
	switch s.state {
	case fresh:
		if now.Sub(s.opened) >= s.cfg.AuthWait {
			return s.end(frame.Unauthorized, refuse(frame.Ref{}, wire.Unauthorized, "no token came in time"))
		}
	case in:
		return append(s.stopTyping(func(said time.Time) bool { return now.Sub(said) >= typingEnds }), s.expire(now)...)
	case judging, over:
	}
	return nil
}

// expire warns of the token's end, and ends the session with it.
func (s *Session) expire(now time.Time) []Do {
	if s.expires == 0 {
		return nil
	}
	left := time.UnixMilli(s.expires).Sub(now)
	if left <= 0 {
		return s.end(frame.Unauthorized, refuse(frame.Ref{}, wire.TokenExpired, "the token has expired"))
	}
	if left <= s.cfg.Warning && !s.warned {
		s.warned = true
		return []Do{Say{frame.Event{Name: "token:expiring", Data: expiring(s.expires)}}}
	}
	return nil
}

func notRoom(ref frame.Ref) Do {
	return refuse(ref, wire.Invalid, "a room is type:id, such as task:42")
}

func refuse(ref frame.Ref, code wire.Code, message string) Do {
	return Say{frame.Refused{Ref: ref, Code: code, Message: message}}
}

// userRooms are the rooms that a connection is in by itself: its user's, the
// one of all, and those that authz added.
func userRooms(user string, more []string) []subject.Room {
	rooms := []subject.Room{subject.User(user), subject.All()}
	seen := map[subject.Room]bool{rooms[0]: true, rooms[1]: true}
	for _, name := range more {
		if r, err := subject.ParseRoom(name); err == nil && !seen[r] {
			seen[r] = true
			rooms = append(rooms, r)
		}
	}
	return rooms
}
