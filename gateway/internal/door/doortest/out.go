package doortest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// eventPart is an event as stories write it.
type eventPart struct {
	Event  string          `json:"event"`
	Room   string          `json:"room"`
	Data   json.RawMessage `json:"data"`
	Base64 *[]byte         `json:"base64"` // in place of data: bytes
	Offset uint64          `json:"offset"`
	From   string          `json:"from"`
	Time   int64           `json:"time"`
}

func (p eventPart) event() frame.Event {
	e := frame.Event{Name: p.Event, Room: p.Room, Data: p.Data, Offset: p.Offset, From: p.From, TimeMs: p.Time}
	if p.Base64 != nil {
		e.Data, e.Binary = *p.Base64, true
	}
	return e
}

// parseOut reads what the client is told:
//
//	event {"event":…,"room"?,"data" or "base64"?,"offset"?,"from"?,"time"?}
//	connected {…}                           as its JSON
//	refused REF {"code","message","retryAfterMs"?}
//	ack REF done|subscribed|stored|expiry|beat|past|here|reply {…}
//
// REF is the ask's number, or - for one that wants no answer.
func parseOut(text string) (frame.Out, error) {
	what, rest, _ := strings.Cut(text, " ")
	switch what {
	case "event":
		p, err := parse[eventPart](rest)
		return p.event(), err
	case "connected":
		return parse[frame.Connected](rest)
	}
	ref, rest, err := parseRef(rest)
	if err != nil {
		return nil, err
	}
	switch what {
	case "refused":
		p, err := parse[struct {
			Code         wire.Code `json:"code"`
			Message      string    `json:"message"`
			RetryAfterMs int64     `json:"retryAfterMs"`
		}](rest)
		return frame.Refused{Ref: ref, Code: p.Code, Message: p.Message, RetryAfterMs: p.RetryAfterMs}, err
	case "ack":
		body, err := parseBody(rest)
		return frame.Ack{Ref: ref, Body: body}, err
	}
	return nil, fmt.Errorf("doortest: nothing that is told is called %q", what)
}

func parseRef(text string) (ref frame.Ref, rest string, err error) {
	number, rest, _ := strings.Cut(text, " ")
	if number == "-" {
		return ref, rest, nil
	}
	ref.Wanted = true
	ref.N, err = strconv.ParseInt(number, 10, 64)
	return ref, rest, err
}

func parseBody(text string) (frame.Body, error) {
	what, rest, _ := strings.Cut(text, " ")
	switch what {
	case "done":
		return parse[frame.Done](rest)
	case "subscribed":
		return parse[frame.Subscribed](rest)
	case "stored":
		return parse[frame.Stored](rest)
	case "expiry":
		return parse[frame.Expiry](rest)
	case "beat":
		return parse[frame.Beat](rest)
	case "past":
		p, err := parse[struct {
			Events []eventPart `json:"events"`
			Epoch  string      `json:"epoch"`
			More   bool        `json:"more"`
		}](rest)
		past := frame.Past{Events: []frame.Event{}, Epoch: p.Epoch, More: p.More}
		for _, e := range p.Events {
			past.Events = append(past.Events, e.event())
		}
		return past, err
	case "here":
		return parse[frame.Here](rest)
	case "reply":
		return frame.Reply{Data: json.RawMessage(rest)}, nil
	}
	return nil, fmt.Errorf("doortest: no body is called %q", what)
}

// parse reads JSON of one shape, and nothing beside it.
func parse[T any](text string) (v T, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, fmt.Errorf("doortest: read %s: %w", kind(v), err)
	}
	return v, nil
}

// parseEnd reads an end's text.
func parseEnd(text string) (frame.End, error) {
	for _, e := range frame.Ends() {
		if e.String() == text {
			return e, nil
		}
	}
	return 0, fmt.Errorf("doortest: no end is called %q", text)
}
