package session

import (
	"strconv"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// admission is the question about the first token.
type admission struct {
	ref   frame.Ref
	since *frame.Position
}

// renewal is the question about a newer token.
type renewal struct{ ref frame.Ref }

// greeting is what waits for what the connection's own rooms hold.
type greeting struct {
	greet Greet
	keys  []string
}

func (*greeting) question() {}
func (admission) question() {}
func (renewal) question()   {}

func (s *Session) askConnect(token string, why question) []Do {
	tag := s.next()
	s.asked[tag] = why
	return []Do{AskConnect{Tag: tag, Token: token}}
}

// Admit lets a client in whose token was judged at the handshake, before there
// was a session. a.Allow must be true.
func (s *Session) Admit(now time.Time, a wire.ConnectAnswer, since *frame.Position) []Do {
	return s.greet(now, a, admission{since: since})
}

// Admitted takes authz's answer to AskConnect; with a problem, a is not read.
func (s *Session) Admitted(now time.Time, tag Tag, a wire.ConnectAnswer, p frame.Problem) []Do {
	why, ok := s.asked[tag]
	delete(s.asked, tag)
	if !ok || s.state == over {
		return nil
	}
	if !p.Is() && !a.Allow {
		p = frame.Problem{Code: or(a.Code, wire.Unauthorized), Message: a.Message}
	}
	switch why := why.(type) {
	case admission:
		if p.Is() {
			// Silence is not the client's fault: it may try elsewhere.
			end := frame.Unauthorized
			if p.Code == wire.Unavailable {
				end = frame.Restart
			}
			return s.end(end, refuse(why.ref, p.Code, p.Message))
		}
		return s.greet(now, a, why)
	case renewal:
		if !p.Is() && a.User != s.user {
			p = frame.Problem{Code: wire.Forbidden, Message: "the token is another user's"}
		}
		if p.Is() {
			return []Do{refuse(why.ref, p.Code, p.Message)}
		}
		if tag > s.renewed { // else a newer token's answer has overtaken this one
			s.renewed = tag
			s.adopt(a)
		}
		return []Do{Say{frame.Ack{Ref: why.ref, Body: frame.Expiry{ExpiresAt: a.ExpiresAt}}}}
	}
	return nil
}

func (s *Session) adopt(a wire.ConnectAnswer) {
	s.user, s.claims, s.expires, s.warned = a.User, a.Claims, a.ExpiresAt, false
}

func (s *Session) greet(now time.Time, a wire.ConnectAnswer, why admission) []Do {
	if !subject.ValidUser(a.User) {
		return s.end(frame.Unauthorized, refuse(why.ref, wire.Unauthorized, "the user's name is empty, too long or not text"))
	}
	s.state = judging
	s.adopt(a)
	g := &greeting{greet: Greet{
		Hello: frame.Connected{
			Connection: s.cfg.Connection, User: a.User, HeartbeatMs: s.cfg.Heartbeat.Milliseconds(),
			ExpiresAt: a.ExpiresAt, Gateway: s.cfg.Gateway,
		},
		Rooms: userRooms(a.User, a.Rooms),
	}}
	var past []PastAsk
	for _, r := range g.greet.Rooms {
		g.greet.Hello.Rooms = append(g.greet.Hello.Rooms, r.String())
		g.keys = append(g.keys, r.Key())
		if why.since != nil {
			past = append(past, PastAsk{Room: r, Since: why.since})
		}
	}
	if why.ref.Wanted {
		g.greet.Then = append(g.greet.Then, frame.Ack{Ref: why.ref, Body: frame.Expiry{ExpiresAt: a.ExpiresAt}})
	}
	for _, w := range a.Welcome {
		g.greet.Then = append(g.greet.Then, frame.Event{Name: w.Event, Data: w.Data})
	}
	if len(past) == 0 {
		return s.greeted(now, g, nil)
	}
	tag := s.next()
	s.asked[tag] = g
	return []Do{Look{Tag: tag, Rooms: past}}
}

// greeted lets the client in, once it is known what its own rooms hold of what
// it missed. It recovers in all of them or in none: it has one position.
func (s *Session) greeted(now time.Time, g *greeting, found []Found) []Do {
	s.state = in
	for _, key := range g.keys {
		s.rooms[key] = &place{given: true, told: true}
	}
	if found != nil {
		recovered, missed := true, 0
		for _, f := range found {
			recovered = recovered && f.Recovered
			missed += f.Events
		}
		g.greet.Hello.Recovered = &recovered
		if recovered {
			g.greet.Hello.Missed = &missed
			g.greet.Hello.Position = found[0].UpTo
			for i, f := range found {
				g.greet.Replays = append(g.greet.Replays, Replay{Room: g.greet.Rooms[i], After: f.After})
				g.greet.Hello.Position.Offset = min(g.greet.Hello.Position.Offset, f.UpTo.Offset)
			}
			g.greet.Rooms = nil
		}
	}
	todo := []Do{g.greet}
	held := s.held
	s.held = nil
	for _, ask := range held {
		todo = append(todo, s.Hear(now, ask)...)
	}
	return todo
}

func or(c, def wire.Code) wire.Code {
	if c == "" {
		return def
	}
	return c
}

func expiring(at int64) []byte {
	return append(strconv.AppendInt([]byte(`{"expiresAt":`), at, 10), '}')
}
