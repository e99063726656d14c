package roster

import (
	"slices"
	"strings"

	"github.com/hubmesh/hubmesh/presence/internal/ordered"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Touch is a user in a room, or with no room in the mesh, of whom others may
// see something else than before.
type Touch struct{ Room, User string }

// Apply takes the record with sequence seq under a key; nil says that the key
// is gone. It must be told the records in the order of the log, and may be
// told only the newest of each key. It keeps nothing of k and rec but the
// record's own strings, status and end. It returns of whom others may see
// something else now, the mesh first.
func (r *Roster) Apply(seq uint64, k Key, rec *wire.PresenceRecord) []Touch {
	u := r.users[k.User]
	if u == nil {
		if rec == nil {
			return nil
		}
		// A key is a piece of all the headers of a message: kept, it keeps them.
		u = &user{name: strings.Clone(k.User)}
		r.users[u.name] = u
	}
	at := slices.IndexFunc(u.conns, func(c *conn) bool { return c.id == k.Conn && c.gateway.id == k.Gateway })
	if at < 0 && rec == nil {
		return nil
	}
	r.weigh(u, -1)
	was, wasHere := u.face()
	var old *conn
	if at >= 0 {
		old = u.conns[at]
	}
	rooms := r.replace(u, at, k, seq, rec)
	if old != nil {
		rooms = append(rooms, old.rooms...)
	}
	is, isHere := u.face()
	changed := was != is || wasHere != isHere
	if changed {
		for _, c := range u.conns {
			rooms = append(rooms, c.rooms...)
		}
	}
	touched := r.seat(u, rooms, changed)
	r.weigh(u, +1)
	if old != nil {
		r.forget(old)
	}
	if len(u.conns) == 0 {
		delete(r.users, u.name)
	}
	return touched
}

// replace puts the record in place of the connection at an index, which is
// negative for a new one, and returns the rooms that it names.
func (r *Roster) replace(u *user, at int, k Key, seq uint64, rec *wire.PresenceRecord) []*room {
	if rec == nil {
		u.conns = slices.Delete(u.conns, at, at+1)
		return nil
	}
	c := r.connect(k.Gateway, seq, rec)
	if at < 0 {
		c.id = strings.Clone(k.Conn)
		u.conns = append(u.conns, c)
	} else {
		c.id = u.conns[at].id
		u.conns[at] = c
	}
	return slices.Clone(c.rooms)
}

// connect makes a gateway's connection of its record, and counts what it names.
func (r *Roster) connect(id string, seq uint64, rec *wire.PresenceRecord) *conn {
	g := r.gateways[id]
	if g == nil {
		g = &gateway{id: strings.Clone(id)}
		r.gateways[g.id] = g
	}
	g.conns++
	r.conns++
	door, ok := r.doors[rec.Door]
	if !ok {
		door = rec.Door
		r.doors[door] = door
	}
	c := &conn{
		gateway: g, seq: seq, turn: rec.Turn, since: rec.Since, door: door, ip: rec.IP,
		info: string(rec.Info), status: rec.Status, statusAt: rec.StatusAt, end: rec.End, told: rec.Told, swept: rec.Swept,
		rooms: make([]*room, 0, len(rec.Rooms)),
	}
	for _, name := range rec.Rooms {
		in := r.rooms[name]
		if in == nil {
			in = &room{name: name, members: ordered.New(func(u *user) string { return u.name })}
			r.rooms[name] = in
		}
		if !c.in(in) {
			in.named++
			c.rooms = append(c.rooms, in)
		}
	}
	return c
}

// forget is connect's reverse.
func (r *Roster) forget(c *conn) {
	r.conns--
	if c.gateway.conns--; c.gateway.conns == 0 {
		delete(r.gateways, c.gateway.id)
	}
	for _, in := range c.rooms {
		if in.named--; in.named == 0 {
			delete(r.rooms, in.name)
		}
	}
}

// weigh adds by for each connection of a user that can be seen to what its
// rooms count.
func (r *Roster) weigh(u *user, by int) {
	if f, here := u.face(); !here || f.Status == wire.Invisible {
		return
	}
	for _, c := range u.conns {
		if !c.stays() {
			continue
		}
		for _, in := range c.rooms {
			in.conns += by
		}
	}
}

// seat brings the user's membership of rooms to what the connections say, and
// returns what others may see of it.
func (r *Roster) seat(u *user, rooms []*room, changed bool) (touched []Touch) {
	if changed {
		touched = append(touched, Touch{User: u.name})
	}
	slices.SortFunc(rooms, func(a, b *room) int { return strings.Compare(a.name, b.name) })
	for _, in := range slices.Compact(rooms) {
		_, was := in.members.Find(u.name)
		is := u.in(in)
		switch {
		case is && !was:
			in.members.Put(u)
		case was && !is:
			in.members.Delete(u.name)
		}
		if was != is || is && changed {
			touched = append(touched, Touch{Room: in.name, User: u.name})
		}
	}
	return touched
}
