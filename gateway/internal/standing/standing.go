// Package standing is how the connections of a gateway stand, and how much of
// that presence knows: which of them are to be reported, as what, and again
// until that was answered.
//
// It is pure: changes and answers go in, reports come out. It keeps one state a
// connection, however long presence is silent, and one more of those that are
// under way; an idle connection is not looked at. It asks nobody and knows no
// time: here does.
//
//	Begin, Enter, Leave, Say, Inform, End, Again ─► due ─► Next ─► Answered: known
//	                                                 ▲                Silent: as it was, first of all
//	                                                 └─────────────── Failed: as it was, last of all
//
// Read this file first, then report.go.
package standing

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// mostEnded is how many connections are remembered that have ended and of which
// presence was never asked to know. Beyond it, such a one is forgotten: nobody
// has heard of it.
const mostEnded = 100_000

// Book is all connections that have not ended, or of which presence does not
// know that yet. Make one with New. Not safe for concurrent use.
type Book struct {
	conns     map[string]*conn // by id
	first     []*conn          // due before all others: what was sent and not answered
	due       []*conn
	underWay  int
	ended     int // of conns
	forgotten int
}

// conn is one connection.
type conn struct {
	stand wire.PresenceStand  // as it stands; Rooms is replaced, never written to
	sent  *wire.PresenceStand // was reported and not answered; it is repeated as it was
	doubt bool                // it was perhaps heard
	known uint64              // turn that presence has answered for
	said  uint64              // turn at which the status was said last
	again uint64              // turn since which it is held without a lease
	queue bool                // it is due, or under way
}

// New returns an empty book.
func New() *Book { return &Book{conns: map[string]*conn{}} }

// Begin adds a connection. Its turn, and what was said of its end, are not read.
func (b *Book) Begin(s wire.PresenceStand) {
	s.Turn, s.End = 0, nil
	c := &conn{stand: s}
	b.conns[s.Connection] = c
	b.moved(c)
}

// moved notes that there is something to report.
func (b *Book) moved(c *conn) {
	c.stand.Turn++
	b.enqueue(c)
}

func (b *Book) enqueue(c *conn) {
	if !c.queue {
		c.queue = true
		b.due = append(b.due, c)
	}
}

// living is the connection, or nil when it has ended.
func (b *Book) living(id string) *conn {
	if c := b.conns[id]; c != nil && c.stand.End == nil {
		return c
	}
	return nil
}

// Enter puts a connection into rosters of rooms, by their names. It returns the
// turn from which on presence knows that, 0 for a connection that has ended.
func (b *Book) Enter(id string, rooms []string) (turn uint64) {
	c := b.living(id)
	if c == nil {
		return 0
	}
	var more []string
	for _, room := range rooms {
		if !slices.Contains(c.stand.Rooms, room) && !slices.Contains(more, room) {
			more = append(more, room)
		}
	}
	if len(more) > 0 {
		c.stand.Rooms = slices.Concat(c.stand.Rooms, more)
		b.moved(c)
	}
	return c.stand.Turn
}

// Leave takes a connection out of rosters, and reports whether it was in any of
// them.
func (b *Book) Leave(id string, rooms []string) (left bool) {
	c := b.living(id)
	if c == nil {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(c.stand.Rooms), func(room string) bool { return slices.Contains(rooms, room) })
	if len(rest) == len(c.stand.Rooms) {
		return false
	}
	c.stand.Rooms = rest
	b.moved(c)
	return true
}

// Say notes what a connection's client says of its user, and returns the turn
// from which on presence knows it; 0 as with Enter.
func (b *Book) Say(id string, status wire.UserStatus) (turn uint64) {
	c := b.living(id)
	if c == nil {
		return 0
	}
	c.stand.Status = &status
	b.moved(c)
	c.said = c.stand.Turn
	return c.said
}

// Inform notes what a newer token says of the user, and reports whether that is
// something else.
func (b *Book) Inform(id string, info json.RawMessage) (changed bool) {
	c := b.living(id)
	if c == nil || bytes.Equal(c.stand.Info, info) {
		return false
	}
	c.stand.Info = info
	b.moved(c)
	return true
}

// End notes how a connection has ended.
func (b *Book) End(id string, end wire.PresenceEnd) {
	c := b.living(id)
	if c == nil {
		return
	}
	if b.ended >= mostEnded && c.known == 0 && c.sent == nil {
		b.forget(c)
		b.forgotten++
		return
	}
	c.stand.End = &end
	b.ended++
	b.moved(c)
}

// forget lets go of a connection. One that is due is passed over.
func (b *Book) forget(c *conn) {
	delete(b.conns, c.stand.Connection)
	if c.stand.End != nil {
		b.ended--
	}
	c.stand.Connection = ""
}

// Again has every connection reported anew that presence may have known: the
// gateway's lease had ended, and they are held nonetheless.
func (b *Book) Again() {
	for _, c := range b.conns {
		if c.stand.End == nil && (c.known > 0 || c.sent != nil) {
			b.moved(c)
			c.again = c.stand.Turn
		}
	}
}

// Known reports whether presence has answered for a turn of a connection.
func (b *Book) Known(id string, turn uint64) bool {
	c := b.conns[id]
	return c != nil && c.known >= turn
}

// Gone reports whether a connection is not in the book any more: presence knows
// of its end, or will never hear of it.
func (b *Book) Gone(id string) bool { return b.conns[id] == nil }

// Owed is how many connections stand otherwise than presence has answered.
func (b *Book) Owed() int { return len(b.first) + len(b.due) + b.underWay }

// Forgotten is how many were forgotten since it was last asked.
func (b *Book) Forgotten() (n int) {
	n, b.forgotten = b.forgotten, 0
	return n
}
