// Package door says what a client protocol is to the gateway: a Door for the
// protocol, a Talk for each connection that speaks it, a Profile for each way
// an event is spelt.
//
// Doors are pure: they take packets and return frames, take frames and return
// packets; they own no socket, goroutine, lock or clock. doortest holds every
// door to the same stories. The flow: Meet reads the handshake; Talk.Open says
// what the protocol says first; each packet goes through Talk.Hear, each answer
// through Talk.Say; events for many are spelt once by their Profile and shared;
// Talk.Bye says the last words.
package door

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Packet is one message of the transport: of a WebSocket, a text or a binary
// message.
type Packet struct {
	Binary bool
	Data   []byte
}

// Handshake is what an HTTP request brings that asks for a connection.
type Handshake struct {
	Query  url.Values
	Header http.Header
}

// Proof is what a client brings to be let in. The zero Proof is none yet.
type Proof struct {
	Token string
	Auth  json.RawMessage // what the protocol carries beside a token, or nil
}

// Hello is what a Handshake means.
type Hello struct {
	Proof       Proof
	Since       *frame.Position // where the client left off, or nil
	Subprotocol string          // the one to agree to, or ""
	Talk        Talk
}

// Door is a client protocol. Safe for concurrent use: it has no state.
type Door interface {
	// Name is the protocol's name in messages and labels of metrics.
	Name() string
	// Meet reads a handshake. A false ok means that it is not this protocol's;
	// text says what was expected.
	Meet(Handshake) (h Hello, text string, ok bool)
	// Refuse spells a refusal at the handshake as an HTTP answer.
	Refuse(code wire.Code, message string) (status int, contentType string, body []byte)
}

// Talk is one connection's protocol. It is used by one goroutine at a time,
// and must not block. Packets that it returns are not changed any more.
type Talk interface {
	// Profile says how events for many are spelt for this connection.
	Profile() Profile
	// Open is what the protocol says before anything is heard.
	Open() []Packet
	// Hear reads one packet: what the client asks, and what the protocol
	// itself answers to it at once. It may keep p.Data.
	Hear(p Packet) (asks []frame.In, now []Packet)
	// Say spells what one client hears.
	Say(o frame.Out) []Packet
	// Pulse is what the protocol says by itself as time goes by, asked about
	// once a second. The WebSocket's own pings are not its matter.
	Pulse(now time.Time) []Packet
	// Bye spells the end: last packets, the close code and its reason.
	Bye(e frame.End) (last []Packet, code int, reason string)
}

// Profile is one way to spell an event; all connections that share it hear the
// same bytes. Values are compared with ==, so it must be comparable and equal
// for all of them.
type Profile interface {
	Spell(e frame.Event) []Packet
}
