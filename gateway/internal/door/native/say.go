package native

import (
	"encoding/json"
	"strconv"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// profile spells events the same for every native connection.
type profile struct{}

// Spell writes an event as one text message.
func (profile) Spell(e frame.Event) []door.Packet { return text(frame.AppendJSON(nil, e)) }

func text(b []byte) []door.Packet { return []door.Packet{{Data: b}} }

// fault is an error in an ack or an event.
type fault struct {
	Code         wire.Code `json:"code"`
	Message      string    `json:"message"`
	RetryAfterMs int64     `json:"retryAfterMs,omitempty"`
}

// Say writes one message to one client.
func (talk) Say(o frame.Out) []door.Packet {
	switch o := o.(type) {
	case frame.Event:
		return text(frame.AppendJSON(nil, o))
	case frame.Connected:
		return text(frame.AppendJSON(nil, frame.Event{Name: "connected", Data: marshal(o)}))
	case frame.Ack:
		b := strconv.AppendInt([]byte(`{"ack":`), o.Ref.N, 10)
		b = append(b, `,"data":`...)
		b = append(b, marshal(o.Body)...)
		return text(append(b, '}'))
	case frame.Refused:
		f := marshal(fault{o.Code, o.Message, o.RetryAfterMs})
		if !o.Ref.Wanted {
			return text(frame.AppendJSON(nil, frame.Event{Name: "error", Data: f}))
		}
		b := strconv.AppendInt([]byte(`{"ack":`), o.Ref.N, 10)
		b = append(b, `,"error":`...)
		b = append(b, f...)
		return text(append(b, '}'))
	}
	panic("native: a frame.Out that is not spelt")
}

// marshal writes a body. Bodies are our own structs and JSON that was checked
// when it came, so only a programmer's mistake can fail.
func marshal(v any) []byte {
	if r, ok := v.(frame.Reply); ok {
		return r.Data // as the backend wrote it
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("native: spell " + err.Error())
	}
	return b
}
