package roster

import (
	"iter"
	"maps"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Face is how others see a user. Faces can be compared: two that differ are
// told apart.
type Face struct {
	Status string
	Text   string
	Data   string // JSON, or empty
	Info   string // JSON, or empty
}

// Seen is a user in a room, or in the mesh.
type Seen struct {
	Face
	Connections int   // that have not ended; 0: all are in grace
	Since       int64 // unix ms; when the oldest of them began, in grace too
	Ended       int64 // unix ms; when the last of them ended; 0 while one stays
}

// Of returns how a user is in a room, or with no room in the mesh. An
// invisible one is returned with that status: who asks may be the user.
func (r *Roster) Of(t Touch) (s Seen, here bool) {
	u := r.users[t.User]
	if u == nil {
		return Seen{}, false
	}
	in := r.rooms[t.Room]
	if t.Room != "" && in == nil {
		return Seen{}, false
	}
	for _, c := range u.conns {
		if !c.holds() || in != nil && !c.in(in) {
			continue
		}
		if !here || c.since < s.Since {
			s.Since = c.since
		}
		here = true
		if c.stays() {
			s.Connections++
		} else {
			s.Ended = max(s.Ended, c.end.At)
		}
	}
	if !here {
		return Seen{}, false
	}
	if s.Connections > 0 {
		s.Ended = 0
	}
	s.Face, _ = u.face()
	return s, true
}

// Visible is Of for others: it reports false of who is invisible.
func (r *Roster) Visible(t Touch) (s Seen, here bool) {
	s, here = r.Of(t)
	if !here || s.Status == wire.Invisible {
		return Seen{}, false
	}
	return s, true
}

// Connections is how many connections of users who can be seen are in a room.
func (r *Roster) Connections(name string) int {
	if in := r.rooms[name]; in != nil {
		return in.conns
	}
	return 0
}

// Together reports whether two users are in a room's roster both, or are one.
func (r *Roster) Together(a, b string) bool {
	ua, ub := r.users[a], r.users[b]
	if ua == nil || ub == nil {
		return false
	}
	for _, c := range ua.conns {
		if !c.holds() {
			continue
		}
		for _, in := range c.rooms {
			if ub.in(in) {
				return true
			}
		}
	}
	return ua == ub
}

// Record returns what stands under a key, and its sequence.
func (r *Roster) Record(k Key) (rec wire.PresenceRecord, seq uint64, ok bool) {
	u := r.users[k.User]
	if u == nil {
		return rec, 0, false
	}
	for _, c := range u.conns {
		if c.id == k.Conn && c.gateway.id == k.Gateway {
			return c.record(), c.seq, true
		}
	}
	return rec, 0, false
}

// Status is the user's status and its StatusAt; 0 when it was never changed.
func (r *Roster) Status(name string) (status *wire.UserStatus, at int64) {
	u := r.users[name]
	if u == nil {
		return nil, 0
	}
	h := u.holder()
	if h == nil {
		return nil, 0
	}
	return h.status, h.statusAt
}

// Heirs is the connections of a user that stay and do not hold his status yet.
// It would change when the one that holds it is gone, though he stays.
func (r *Roster) Heirs(name string) (keys []Key) {
	u := r.users[name]
	if u == nil {
		return nil
	}
	h := u.holder()
	if h == nil {
		return nil
	}
	for _, c := range u.conns {
		if c.stays() && c.statusAt < h.statusAt {
			keys = append(keys, Key{name, c.gateway.id, c.id})
		}
	}
	return keys
}

// InGrace is the user's connections that have ended with grace and name a room.
func (r *Roster) InGrace(t Touch) (keys []Key) {
	u, in := r.users[t.User], r.rooms[t.Room]
	if u == nil || in == nil {
		return nil
	}
	for _, c := range u.conns {
		if !c.stays() && c.holds() && c.in(in) {
			keys = append(keys, Key{t.User, c.gateway.id, c.id})
		}
	}
	return keys
}

// Size is how many users and connections have a record.
func (r *Roster) Size() (users, conns int) { return len(r.users), r.conns }

// Gateways is the gateways that have connections here, and how many.
func (r *Roster) Gateways() map[string]int {
	all := make(map[string]int, len(r.gateways))
	for id, g := range r.gateways {
		all[id] = g.conns
	}
	return all
}

// Keys is the keys of every record for which want says so, in no order. The
// roster must not change meanwhile.
func (r *Roster) Keys(want func(gateway string, end *wire.PresenceEnd, told bool) bool) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for _, u := range r.users {
			for _, c := range u.conns {
				if want(c.gateway.id, c.end, c.told) && !yield(Key{u.name, c.gateway.id, c.id}) {
					return
				}
			}
		}
	}
}

// Names is every user who has a record, in no order. The roster must not
// change meanwhile.
func (r *Roster) Names() iter.Seq[string] { return maps.Keys(r.users) }

// Rooms is every room that a record names, in no order. The roster must not
// change meanwhile.
func (r *Roster) Rooms() iter.Seq[string] { return maps.Keys(r.rooms) }

// Named reports whether a record names a room.
func (r *Roster) Named(name string) bool { return r.rooms[name] != nil }

// Faces is who others see in a room, in the order of their names, or with no
// room in the mesh, in no order. The roster must not change meanwhile.
func (r *Roster) Faces(name string) iter.Seq2[string, Face] {
	return func(yield func(string, Face) bool) {
		users := maps.Values(r.users)
		if name != "" {
			in := r.rooms[name]
			if in == nil {
				return
			}
			users = in.members.After("")
		}
		for u := range users {
			if f, here := u.face(); here && f.Status != wire.Invisible && !yield(u.name, f) {
				return
			}
		}
	}
}
