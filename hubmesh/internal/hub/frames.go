package hub

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Event is what the gateway says without having been asked.
type Event struct {
	Event  string          `json:"event"`
	Room   string          `json:"room"`   // empty: to this connection alone
	Data   json.RawMessage `json:"data"`   // bytes come as {"base64":"…"}
	Offset uint64          `json:"offset"` // 0: a signal, which has none
	From   string          `json:"from"`
	Time   int64           `json:"time"` // unix ms

	Raw []byte `json:"-"` // the frame as it came
	Ack *Ack   `json:"-"` // it is no event but what a Tell led to
}

// Ack is the answer to a Tell, in its place among the events.
type Ack struct {
	ID   int64
	Data json.RawMessage
	Err  error // an *Error, or nil
}

// Connected is the greeting: the first frame that an authenticated client
// hears.
type Connected struct {
	Connection  string   `json:"connection"`
	User        string   `json:"user"`
	HeartbeatMs int64    `json:"heartbeatMs"`
	ExpiresAt   int64    `json:"expiresAt"` // unix ms; 0: never
	Gateway     string   `json:"gateway"`
	Rooms       []string `json:"rooms"` // entered without having been asked for
	Position    Position `json:"position"`
	Recovered   *bool    `json:"recovered"` // nil: no position was given
	Missed      int      `json:"missed"`
}

// frame is any text frame of the gateway: an Event, or an ack when AckID is set.
type frame struct {
	Event
	AckID *int64 `json:"ack"`
	Error *fault `json:"error"`
}

// fault is the error of an ack, of an error event and of a refused handshake.
type fault struct {
	Code         wire.Code `json:"code"`
	Message      string    `json:"message"`
	RetryAfterMs int64     `json:"retryAfterMs"`
}

func (f *fault) err() error {
	if f == nil {
		return nil
	}
	return &Error{f.Code, f.Message, time.Duration(f.RetryAfterMs) * time.Millisecond}
}

// ask is a client's text frame.
type ask struct {
	ID    int64  `json:"id"`
	Event string `json:"event"`
	Data  any    `json:"data,omitempty"`
}

// readFrame reads a text frame. What is neither an event nor an ack is an
// error: the door promises exactly one of them.
func readFrame(text []byte) (frame, error) {
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("hub: read frame: %w", err)
	}
	if (f.AckID == nil) == (f.Event.Event == "") {
		return f, fmt.Errorf("hub: read frame: neither an event nor an ack, or both: %d bytes", len(text))
	}
	f.Raw = text
	return f, nil
}
