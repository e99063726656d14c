package frame

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// MarshalJSON writes an event as it stands in pages of the past, the same
// through every door.
func (e Event) MarshalJSON() ([]byte, error) { return AppendJSON(nil, e), nil }

func text(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("frame: spell " + err.Error()) // a text always marshals
	}
	return b
}

// AppendJSON appends an event as one JSON object: event, room, data, offset,
// from, time, those that it has. Binary data is {"base64":"…"}, no data is
// null. Its data must be JSON already.
func AppendJSON(b []byte, e Event) []byte {
	b = append(b, `{"event":`...)
	b = append(b, text(e.Name)...)
	if e.Room != "" {
		b = append(b, `,"room":`...)
		b = append(b, text(e.Room)...)
	}
	b = append(b, `,"data":`...)
	switch {
	case e.Binary:
		b = append(b, `{"base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, e.Data)
		b = append(b, `"}`...)
	case len(e.Data) == 0:
		b = append(b, "null"...)
	default:
		b = append(b, e.Data...)
	}
	if e.Offset != 0 {
		b = strconv.AppendUint(append(b, `,"offset":`...), e.Offset, 10)
	}
	if e.From != "" {
		b = append(b, `,"from":`...)
		b = append(b, text(e.From)...)
	}
	if e.TimeMs != 0 {
		b = strconv.AppendInt(append(b, `,"time":`...), e.TimeMs, 10)
	}
	return append(b, '}')
}
