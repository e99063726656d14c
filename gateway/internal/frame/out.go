package frame

import (
	"encoding/json"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Out is what one client hears. Exactly the types in this file and Event are
// Out.
//
//sumtype:decl
type Out interface{ out() }

// Connected is the first that an authenticated client hears.
type Connected struct {
	Connection  string   `json:"connection"`
	User        string   `json:"user"`
	HeartbeatMs int64    `json:"heartbeatMs"`
	ExpiresAt   int64    `json:"expiresAt,omitempty"` // unix ms; 0: never
	Gateway     string   `json:"gateway"`
	Rooms       []string `json:"rooms"`
	Position    Position `json:"position"`
	Recovered   *bool    `json:"recovered,omitempty"` // nil: no position was brought
	Missed      *int     `json:"missed,omitempty"`
}

// Ack answers an ask. Body is one of the bodies below.
type Ack struct {
	Ref  Ref
	Body Body
}

// Refused answers an ask with an error. With a Ref that is not wanted it is
// told as an event.
type Refused struct {
	Ref          Ref
	Code         wire.Code
	Message      string
	RetryAfterMs int64
}

func (Connected) out() {}
func (Ack) out()       {}
func (Refused) out()   {}
func (Event) out()     {}

// Body is what an Ack says; marshalled as JSON it is the ack's data in every
// protocol. Exactly the types below are Body.
//
//sumtype:decl
type Body interface{ body() }

// Done says nothing but that it is done: {}.
type Done struct{}

// Subscribed says which rooms were entered, and which were not.
type Subscribed struct {
	Rooms  []Entered `json:"rooms"`
	Denied []Denied  `json:"denied"`
}

// Entered is a room that the client is in from here on.
type Entered struct {
	Room      string `json:"room"`
	Offset    uint64 `json:"offset"`
	Epoch     string `json:"epoch"`
	Recovered *bool  `json:"recovered,omitempty"` // nil: no since and no last was given
	Missed    *int   `json:"missed,omitempty"`

	// Presence is who is in the room, at most so many as one page has; with
	// Counts there are more. It is nil where it was not asked for, and where it
	// is not known: then NoPresence says why.
	Presence   []wire.PresenceUser  `json:"presence,omitzero"`
	Counts     *wire.PresenceCounts `json:"counts,omitempty"`
	NoPresence wire.Code            `json:"noPresence,omitempty"`
}

// Denied is a room that was not entered.
type Denied struct {
	Room    string    `json:"room"`
	Code    wire.Code `json:"code"`
	Message string    `json:"message"`
}

// Stored says that a durable event is in the log.
type Stored struct {
	Offset uint64 `json:"offset"`
}

// Expiry says until when the token holds; 0: for ever.
type Expiry struct {
	ExpiresAt int64 `json:"expiresAt,omitempty"` // unix ms
}

// Beat answers a heartbeat.
type Beat struct {
	Time     int64    `json:"time"` // unix ms
	Position Position `json:"position"`
}

// Past is a page of a room's past, oldest first.
type Past struct {
	Events []Event `json:"events"`
	Epoch  string  `json:"epoch"`
	More   bool    `json:"more"` // there are older ones
}

// Here is who is here.
type Here struct {
	Users []wire.PresenceUser `json:"users"`
	Next  string              `json:"next,omitempty"` // there are more: ask for those after it
}

// Reply is a backend's own answer.
type Reply struct{ Data json.RawMessage }

// MarshalJSON passes the backend's JSON on as it is.
func (r Reply) MarshalJSON() ([]byte, error) { return r.Data, nil }

func (Done) body()       {}
func (Subscribed) body() {}
func (Stored) body()     {}
func (Expiry) body()     {}
func (Beat) body()       {}
func (Past) body()       {}
func (Here) body()       {}
func (Reply) body()      {}

// Problem is why an answer is none. The zero Problem is no problem.
type Problem struct {
	Code         wire.Code
	Message      string
	RetryAfterMs int64
}

// Is reports whether there is one.
func (p Problem) Is() bool { return p.Code != "" }
