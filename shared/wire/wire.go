// Package wire is every message between hubmesh's services, and the headers
// and codes that backends and clients see.
//
// It holds shapes only: no rule, no state, no NATS. Each type says who sends
// it and who hears; golden files in testdata hold the JSON still. Fields are
// added, never renamed or used for something else, and unknown ones are
// ignored, so services of two versions understand each other.
//
// Read wire.go, then presence.go (who is here) and code.go.
package wire

import (
	"encoding/json"
	"log/slog"
)

// Headers of messages on the bus, in the case they are written in.
const (
	HeaderEvent  = "Hub-Event"  // an event's name
	HeaderFrom   = "Hub-From"   // the user shown to clients
	HeaderExcept = "Hub-Except" // the connection that must not hear it
	HeaderUser   = "Hub-User"   // of a call: who asks
	HeaderConn   = "Hub-Conn"   // of a call: from which connection
	HeaderDoor   = "Hub-Door"   // of a call: through which protocol
	HeaderError  = "Hub-Error"  // of an answer: it is an error, with this code
	HeaderTrace  = "traceparent"

	HeaderContentType = "Content-Type"
)

// Content types of an event. No header means JSON.
const (
	TypeJSON   = "application/json"
	TypeBinary = "application/octet-stream"
)

// DefaultEvent is the name of an event that comes without HeaderEvent.
const DefaultEvent = "message"

// ConnectAsk asks authz who a client is. Gateway → hub.svc.authz.connect.
type ConnectAsk struct {
	Token  string `json:"token"`
	Door   string `json:"door"`
	IP     string `json:"ip"`
	Origin string `json:"origin"`
	// Headers are those of the handshake that an authz of the user's own may
	// need; the built-in one looks at none. Auth is what a protocol of its own
	// brings (Socket.IO's auth object).
	Headers map[string]string `json:"headers,omitempty"`
	Auth    json.RawMessage   `json:"auth,omitempty"`
}

// LogValue keeps the token out of logs.
func (a ConnectAsk) LogValue() slog.Value {
	return slog.GroupValue(slog.String("door", a.Door), slog.String("ip", a.IP), slog.Bool("token", a.Token != ""))
}

// ConnectAnswer is authz's answer to ConnectAsk. With Allow false only Code
// and Message are read.
type ConnectAnswer struct {
	Allow     bool                       `json:"allow"`
	User      string                     `json:"user,omitempty"`
	Claims    map[string]json.RawMessage `json:"claims,omitempty"`
	ExpiresAt int64                      `json:"expiresAt,omitempty"` // unix ms; 0: never
	Rooms     []string                   `json:"rooms,omitempty"`     // entered beside the user's own
	Welcome   []Event                    `json:"welcome,omitempty"`   // sent right after "connected"
	Limits    map[string]string          `json:"limits,omitempty"`
	Code      Code                       `json:"code,omitempty"`
	Message   string                     `json:"message,omitempty"`
}

// LogValue keeps claims out of logs.
func (a ConnectAnswer) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("allow", a.Allow), slog.String("user", a.User), slog.String("code", string(a.Code)))
}

// Event is a named event inside another message.
type Event struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// JoinAsk asks authz what a user may do in rooms, all of one frame in one
// request. Gateway → hub.svc.authz.join. Without rooms it asks only whether
// authz is there (readiness).
type JoinAsk struct {
	User       string                     `json:"user"`
	Claims     map[string]json.RawMessage `json:"claims,omitempty"`
	Connection string                     `json:"connection"`
	Rooms      []string                   `json:"rooms"`
	// AtLeast is what the answer must be made of: a replica that has read less
	// waits until it has, or says unavailable.
	AtLeast *Marks `json:"atLeast,omitempty"`
}

// LogValue keeps claims out of logs.
func (a JoinAsk) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", a.User), slog.String("conn", a.Connection), slog.Int("rooms", len(a.Rooms)))
}

// Right is one thing that a user may do in a room.
type Right string

// The rights of a room. Subscribe is called join in the policy.
const (
	Subscribe Right = "subscribe"
	Signal    Right = "signal"
	Publish   Right = "publish"
	Presence  Right = "presence"
	History   Right = "history"
)

// JoinAnswer answers JoinAsk, by room. A room that is not in it is denied.
type JoinAnswer struct {
	Rooms map[string]RoomRights `json:"rooms"`
}

// RoomRights is what a user may do in one room. Allow says whether anything
// is; Can lists it. With Allow false, Code and Message may say why.
type RoomRights struct {
	Allow   bool    `json:"allow"`
	Can     []Right `json:"can,omitempty"`
	Code    Code    `json:"code,omitempty"`
	Message string  `json:"message,omitempty"`
}

// TakeAsk takes tokens from a bucket that all gateways share. Gateway →
// hub.svc.ratelimit.take.
type TakeAsk struct {
	Key  string `json:"key"`  // <limit's name with its scope>/<escaped subject>: user.messages/ann
	Cost int    `json:"cost"` // granted whole, or nothing is
	Want int    `json:"want"` // as many more as there are, to lease ahead
}

// TakeAnswer answers TakeAsk. Granted is at least Cost, or 0 with the time
// after which Cost would be granted.
type TakeAnswer struct {
	Granted      int   `json:"granted"`
	RetryAfterMs int64 `json:"retryAfterMs"`
}

// Lease is what a gateway writes into HUB_GATEWAYS under its id: that it
// lives, and its figures. Presence reads it.
type Lease struct {
	Connections int    `json:"connections"`
	StartedAt   int64  `json:"startedAt"` // unix ms
	At          int64  `json:"at"`        // unix ms of this renewal
	Version     string `json:"version,omitempty"`
	Draining    bool   `json:"draining,omitempty"`
}

// GatewaysAnswer is every living gateway with its figures. Presence answers
// it on hub.svc.presence.gateways.
type GatewaysAnswer struct {
	Gateways map[string]Lease `json:"gateways"`
}
