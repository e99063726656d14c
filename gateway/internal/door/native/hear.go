package native

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// MaxLast is how many events of its past a room gives on entering.
const MaxLast = 200

// envelope is every client message. Fields are raw, so that a bad one can be
// told apart from a message that is no JSON at all.
type envelope struct {
	ID    json.RawMessage `json:"id"`
	Event json.RawMessage `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// Hear reads one message. Each is one ask; the protocol answers none by
// itself.
func (talk) Hear(p door.Packet) ([]frame.In, []door.Packet) {
	if p.Binary {
		return []frame.In{frame.Broken{End: frame.NoBinary}}, nil
	}
	return []frame.In{hear(p.Data)}, nil
}

func hear(text []byte) frame.In {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return frame.Malformed{Text: `a frame is one JSON object {"id":n,"event":"…","data":…}`}
	}
	ref, ok := readRef(e.ID)
	if !ok {
		return frame.Malformed{Text: "id is an integer"}
	}
	var name string
	if err := json.Unmarshal(e.Event, &name); err != nil || name == "" {
		return frame.Malformed{Ref: ref, Text: "event is a text that is not empty"}
	}
	in, err := ask(ref, name, e.Data)
	if err != nil {
		return frame.Wrong{Ref: ref, Text: err.Error()}
	}
	return in
}

func readRef(raw json.RawMessage) (frame.Ref, bool) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return frame.Ref{}, true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return frame.Ref{N: n, Wanted: true}, err == nil
}

// ask reads the data of an event that the protocol knows; any other is the
// application's own. Errors are texts for the client.
func ask(ref frame.Ref, name string, data json.RawMessage) (frame.In, error) {
	switch name {
	case "auth", "auth:refresh":
		return readToken(ref, name, data)
	case "subscribe":
		return readSubscribe(ref, data)
	case "unsubscribe":
		s, err := readSubscribe(ref, data)
		if err != nil {
			return nil, err
		}
		u := frame.Unsubscribe{Ref: ref}
		for _, r := range s.Rooms {
			u.Rooms = append(u.Rooms, r.Room)
		}
		return u, nil
	case "publish":
		return readPublish(ref, data)
	case "history:get":
		return readHistory(ref, data)
	case "heartbeat":
		return frame.Heartbeat{Ref: ref}, nil
	case "status:change", "typing:start", "typing:stop", "presence:get":
		return readPresence(ref, name, data)
	}
	if data == nil {
		data = json.RawMessage("null")
	}
	return frame.Call{Ref: ref, Event: name, Data: data}, nil
}

var errToken = errors.New(`data is {"token":"…"}`)

func readToken(ref frame.Ref, name string, data json.RawMessage) (frame.In, error) {
	var d struct {
		Token string     `json:"token"`
		Since *sincePart `json:"since"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Token == "" {
		return nil, errToken
	}
	if name == "auth:refresh" {
		return frame.Refresh{Ref: ref, Token: d.Token}, nil
	}
	return frame.Auth{Ref: ref, Token: d.Token, Since: d.Since.position()}, nil
}

// sincePart is a position as clients write it: an object, or the text that
// the handshake's query takes.
type sincePart frame.Position

func (s *sincePart) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		p, err := frame.ParsePosition(text)
		*s = sincePart(p)
		return err
	}
	return json.Unmarshal(b, (*frame.Position)(s))
}

func (s *sincePart) position() *frame.Position { return (*frame.Position)(s) }

var errSubscribe = errors.New(`data is "task:42", ["task:42"] or {"rooms":["task:42",{"room":"task:42","since":{"epoch":"…","offset":n}},{"room":"task:42","last":20}]}, last from 0 to 200`)

// roomPart is one room of a subscribe: a text, or an object.
type roomPart struct {
	Room  string     `json:"room"`
	Since *sincePart `json:"since"`
	Last  int        `json:"last"`
}

func (r *roomPart) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, &r.Room)
	}
	type plain roomPart // without this method
	return json.Unmarshal(b, (*plain)(r))
}

func readSubscribe(ref frame.Ref, data json.RawMessage) (frame.Subscribe, error) {
	var parts []roomPart
	s := frame.Subscribe{Ref: ref}
	switch first(data) {
	case '"':
		var one roomPart
		if err := json.Unmarshal(data, &one); err != nil {
			return s, errSubscribe
		}
		parts = []roomPart{one}
	case '[':
		if err := json.Unmarshal(data, &parts); err != nil {
			return s, errSubscribe
		}
	case '{':
		var d struct {
			Rooms    []roomPart `json:"rooms"`
			Room     string     `json:"room"`
			Since    *sincePart `json:"since"`
			Last     int        `json:"last"`
			Presence bool       `json:"presence"`
		}
		if err := json.Unmarshal(data, &d); err != nil {
			return s, errSubscribe
		}
		parts, s.Presence = d.Rooms, d.Presence
		if d.Room != "" {
			parts = append(parts, roomPart{Room: d.Room, Since: d.Since, Last: d.Last})
		}
	}
	if len(parts) == 0 {
		return s, errSubscribe
	}
	for _, p := range parts {
		if p.Last < 0 || p.Last > MaxLast {
			return s, errSubscribe
		}
		s.Rooms = append(s.Rooms, frame.RoomAsk{Room: p.Room, Since: p.Since.position(), Last: p.Last})
	}
	return s, nil
}

func first(data json.RawMessage) byte {
	if len(data) == 0 {
		return 0
	}
	return data[0] // RawMessage begins with the value itself
}

// How many events a page of the past has.
const (
	defaultPage = 50
	maxPage     = 200
)

var errHistory = errors.New(`data is {"room":"task:42"} with before (an offset) and limit (1 or more; 200 at most are given) if wanted`)

func readHistory(ref frame.Ref, data json.RawMessage) (frame.In, error) {
	d := struct {
		Room   string `json:"room"`
		Before uint64 `json:"before"`
		Limit  int    `json:"limit"`
	}{Limit: defaultPage}
	if err := json.Unmarshal(data, &d); err != nil || d.Room == "" || d.Limit < 1 {
		return nil, errHistory
	}
	return frame.History{Ref: ref, Room: d.Room, Before: d.Before, Limit: min(d.Limit, maxPage)}, nil
}

var (
	errPublish = errors.New(`data is {"room":"task:42","event":"…","data":…} with durable, key, echo if wanted, or "base64" in place of data`)
	errBase64  = errors.New("base64 is not standard base64")
)

func readPublish(ref frame.Ref, data json.RawMessage) (frame.In, error) {
	var d struct {
		Room    string          `json:"room"`
		Event   string          `json:"event"`
		Data    json.RawMessage `json:"data"`
		Base64  *string         `json:"base64"`
		Durable bool            `json:"durable"`
		Key     string          `json:"key"`
		Echo    bool            `json:"echo"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Room == "" || d.Data != nil && d.Base64 != nil {
		return nil, errPublish
	}
	p := frame.Publish{Ref: ref, Room: d.Room, Event: d.Event, Data: d.Data, Durable: d.Durable, Key: d.Key, Echo: d.Echo}
	switch {
	case d.Base64 != nil:
		raw, err := base64.StdEncoding.Strict().DecodeString(*d.Base64)
		if err != nil {
			return nil, errBase64
		}
		p.Data, p.Binary = raw, true
	case p.Data == nil:
		p.Data = []byte("null")
	}
	return p, nil
}
