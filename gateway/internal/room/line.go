package room

import "github.com/hubmesh/hubmesh/gateway/internal/door"

// Line is something to be written to a client, ready for its socket. One Line
// is shared by all who hear it, and is never changed.
type Line struct {
	Wire     []byte // as it goes over the socket, framed
	Signal   bool   // may be thrown out when too much waits
	Replayed bool   // of a room's past, read at the client's pace: it does not count as waiting
}

// Frame puts packets into the transport's framing, for many to share.
type Frame func([]door.Packet) []byte
