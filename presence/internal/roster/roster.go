// Package roster knows who is here: it is told the records of HUB_PRESENCE in
// the order of that log, and says which users are in which rooms and in the
// mesh, how they are, and of whom that may have changed.
//
// What it holds is a function of the newest record of each key, and of nothing
// else: no clock, and nothing that was overwritten meanwhile. So a replica that
// saw every record and one that read only what is left agree on everything.
// Grace needs no clock either: a connection that has ended is a record that
// NATS ends after 5 s, and the marker of that is the moment at which it left.
//
//   - A connection holds its user in the mesh, and in the rooms of its record,
//     from its first record until its key is gone, or until it has ended
//     without grace.
//   - The status is the user's: that of the record with the highest StatusAt,
//     until its connection is gone. Heirs says which others should keep it.
//   - Who is invisible is in no room for others.
//
// It writes nothing and tells nobody; see told for what others hear. Read this
// file first, then seen.go (what is asked of it) and apply.go.
package roster

import (
	"encoding/json"

	"github.com/hubmesh/hubmesh/presence/internal/ordered"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Roster is who is here. Make one with New. It is not safe for concurrent use.
type Roster struct {
	users    map[string]*user
	rooms    map[string]*room
	gateways map[string]*gateway
	doors    map[string]string // the same few texts, once each
	conns    int
}

// New returns a roster that knows nobody.
func New() *Roster {
	return &Roster{
		users: map[string]*user{}, rooms: map[string]*room{}, gateways: map[string]*gateway{},
		doors: map[string]string{},
	}
}

// user is one who has a record.
type user struct {
	name  string
	conns []*conn
}

// room is one that a record names.
type room struct {
	name    string
	members ordered.List[*user] // also the invisible ones
	conns   int                 // that stay, of those who can be seen
	named   int                 // records that name it
}

// gateway is one that has connections here.
type gateway struct {
	id    string
	conns int
}

// conn is one connection, as its newest record tells it.
type conn struct {
	gateway  *gateway
	id       string
	seq      uint64
	turn     uint64
	since    int64
	door, ip string
	info     string
	rooms    []*room
	status   *wire.UserStatus
	statusAt int64
	end      *wire.PresenceEnd
	told     bool
	swept    bool
}

// stays reports whether the connection has not ended.
func (c *conn) stays() bool { return c.end == nil }

// holds reports whether its user is here by this connection.
func (c *conn) holds() bool { return c.end == nil || c.end.Grace }

func (c *conn) in(r *room) bool {
	for _, in := range c.rooms {
		if in == r {
			return true
		}
	}
	return false
}

// holder is the connection that holds the user's status; nil when none does.
func (u *user) holder() (h *conn) {
	for _, c := range u.conns {
		if c.holds() && c.status != nil && (h == nil || h.statusAt < c.statusAt || h.statusAt == c.statusAt && h.id < c.id) {
			h = c
		}
	}
	return h
}

// newest is the connection that began last, whose token is the user's newest.
func (u *user) newest() (n *conn) {
	for _, c := range u.conns {
		if c.holds() && (n == nil || n.since < c.since || n.since == c.since && n.id < c.id) {
			n = c
		}
	}
	return n
}

// face is how others see the user, and false when the user is not here.
func (u *user) face() (f Face, here bool) {
	n := u.newest()
	if n == nil {
		return Face{}, false
	}
	f = Face{Status: wire.Online, Info: n.info}
	if h := u.holder(); h != nil {
		f.Status, f.Text, f.Data = h.status.Status, h.status.Text, string(h.status.Data)
	}
	return f, true
}

// in reports whether the user is in a room.
func (u *user) in(r *room) bool {
	for _, c := range u.conns {
		if c.holds() && c.in(r) {
			return true
		}
	}
	return false
}

// record is the connection's record again.
func (c *conn) record() wire.PresenceRecord {
	rec := wire.PresenceRecord{
		Turn: c.turn, Door: c.door, IP: c.ip, Since: c.since,
		Status: c.status, StatusAt: c.statusAt, End: c.end, Told: c.told, Swept: c.swept,
	}
	if c.info != "" {
		rec.Info = json.RawMessage(c.info)
	}
	for _, r := range c.rooms {
		rec.Rooms = append(rec.Rooms, r.name)
	}
	return rec
}
