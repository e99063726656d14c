// Package frame is what clients ask and what they hear, in no protocol's
// spelling.
//
// A door reads its protocol into these types and writes them out again; the
// session between knows only them. Bodies of answers carry JSON names, because
// they are the same through every door. The package holds values only and
// imports nothing of the gateway. Read in.go (asks), out.go (answers), then
// end.go (why a connection ends).
package frame

import (
	"errors"
	"strconv"
	"strings"
)

// Ref names the ask that an answer belongs to. The zero Ref is an ask that
// wants no answer: only its error is told, as an event.
type Ref struct {
	N      int64
	Wanted bool
}

// Position is a place in the log of durable events: everything up to Offset
// has been heard. Offsets of two epochs cannot be compared.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

var errPosition = errors.New("frame: a position is epoch:offset")

// ParsePosition reads "epoch:offset", as it stands in a query.
func ParsePosition(s string) (Position, error) {
	epoch, off, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(off, 10, 64)
	if !ok || epoch == "" || err != nil {
		return Position{}, errPosition
	}
	return Position{Epoch: epoch, Offset: n}, nil
}

// Event is a named event on its way to clients.
type Event struct {
	Name   string
	Room   string // "" for one that is spoken to a single connection
	Data   []byte // JSON; with Binary, bytes. Shared by all who hear it: never written to
	Binary bool
	Offset uint64 // 0 for a signal
	From   string // the user who sent it, or ""
	TimeMs int64  // unix ms when it was stored; 0 for a signal
}
