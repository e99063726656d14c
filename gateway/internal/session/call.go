package session

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func (s *Session) call(a frame.Call) []Do {
	switch {
	case !subject.ValidEvent(a.Event):
		return []Do{refuse(a.Ref, wire.Invalid, "an event's name is 1 to 128 bytes without control characters, outer spaces or empty parts between colons")}
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{s.tooManyCalls(a.Ref)}
	}
	tag := s.next()
	s.calls[tag] = a.Ref
	return []Do{Ask{Tag: tag, Event: a.Event, Data: a.Data}}
}

func (s *Session) tooManyCalls(ref frame.Ref) Do {
	return refuse(ref, wire.TooMany, fmt.Sprintf("%d calls are under way: await their answers", s.cfg.MaxCalls))
}

// tell answers a call, unless the session has ended meanwhile.
func (s *Session) tell(tag Tag, body frame.Body, p frame.Problem) []Do {
	ref, ok := s.calls[tag]
	delete(s.calls, tag)
	switch {
	case !ok || s.state == over:
		return nil
	case p.Is():
		return []Do{refuse(ref, p.Code, p.Message)}
	}
	return []Do{Say{frame.Ack{Ref: ref, Body: body}}}
}

// Replied takes a backend's answer to Ask: JSON, or the problem.
func (s *Session) Replied(tag Tag, data json.RawMessage, p frame.Problem) []Do {
	var body frame.Body = frame.Reply{Data: data}
	switch {
	case p.Is():
	case len(data) == 0:
		body = frame.Done{}
	case !json.Valid(data) || !utf8.Valid(data): // json.Valid lets broken UTF-8 pass
		p = frame.Problem{Code: wire.Internal, Message: "the backend's answer is no JSON"}
	}
	return s.tell(tag, body, p)
}
