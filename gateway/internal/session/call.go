package session

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// unserved are names of the protocol that this version does not serve yet. They
// are not asked of backends, or a backend would come to own them.
func unserved(event string) bool {
	switch event {
	case "typing:start", "typing:stop", "status:change", "presence:get":
		return true
	}
	return false
}

func (s *Session) call(a frame.Call) []Do {
	switch {
	case !subject.ValidEvent(a.Event):
		return []Do{refuse(a.Ref, wire.Invalid, "an event's name is 1 to 128 bytes without control characters, outer spaces or empty parts between colons")}
	case unserved(a.Event):
		return []Do{refuse(a.Ref, wire.NoHandler, a.Event+" is not served by this version")}
	case len(s.calls) >= s.cfg.MaxCalls:
		return []Do{refuse(a.Ref, wire.TooMany, fmt.Sprintf("%d calls are under way: await their answers", s.cfg.MaxCalls))}
	}
	tag := s.next()
	s.calls[tag] = a.Ref
	return []Do{Ask{Tag: tag, Event: a.Event, Data: a.Data}}
}

// Replied takes a backend's answer to Ask: JSON, or the problem.
func (s *Session) Replied(tag Tag, data json.RawMessage, p frame.Problem) []Do {
	ref, ok := s.calls[tag]
	delete(s.calls, tag)
	switch {
	case !ok || s.state == over:
		return nil
	case p.Is():
		return []Do{refuse(ref, p.Code, p.Message)}
	case len(data) == 0:
		return []Do{Say{frame.Ack{Ref: ref, Body: frame.Done{}}}}
	case !json.Valid(data) || !utf8.Valid(data): // json.Valid lets broken UTF-8 pass
		return []Do{refuse(ref, wire.Internal, "the backend's answer is no JSON")}
	}
	return []Do{Say{frame.Ack{Ref: ref, Body: frame.Reply{Data: data}}}}
}
