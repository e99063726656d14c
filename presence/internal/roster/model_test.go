package roster_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// model is who is here, said plainly: the newest record of each key, and every
// question answered by going through all of them.
type model map[roster.Key]wire.PresenceRecord

func (m model) apply(k roster.Key, rec *wire.PresenceRecord) {
	if rec == nil {
		delete(m, k)
		return
	}
	m[k] = *rec
}

// holding is the records that hold a user here, and in a room if one is named.
func (m model) holding(t roster.Touch) (held []wire.PresenceRecord, keys []roster.Key) {
	for _, k := range slices.SortedFunc(maps.Keys(m), func(a, b roster.Key) int { return cmp.Compare(a.String(), b.String()) }) {
		rec := m[k]
		if k.User == t.User && (rec.End == nil || rec.End.Grace) && (t.Room == "" || slices.Contains(rec.Rooms, t.Room)) {
			held, keys = append(held, rec), append(keys, k)
		}
	}
	return held, keys
}

func (m model) of(t roster.Touch) (s roster.Seen, here bool) {
	held, _ := m.holding(t)
	if len(held) == 0 {
		return s, false
	}
	s.Since = held[0].Since
	for _, rec := range held {
		s.Since = min(s.Since, rec.Since)
		if rec.End == nil {
			s.Connections++
		} else {
			s.Ended = max(s.Ended, rec.End.At)
		}
	}
	if s.Connections > 0 {
		s.Ended = 0
	}
	all, keys := m.holding(roster.Touch{User: t.User})
	s.Status = wire.Online
	var statusAt, since int64
	var holder, newest string
	for i, rec := range all {
		if conn := keys[i].Conn; newest == "" || rec.Since > since || rec.Since == since && conn > newest {
			newest, since, s.Info = conn, rec.Since, string(rec.Info)
		}
		conn := keys[i].Conn
		if rec.Status != nil && (holder == "" || rec.StatusAt > statusAt || rec.StatusAt == statusAt && conn > holder) {
			holder, statusAt = conn, rec.StatusAt
			s.Status, s.Text, s.Data = rec.Status.Status, rec.Status.Text, string(rec.Status.Data)
		}
	}
	return s, true
}

func (m model) connections(room string) (n int) {
	for k, rec := range m {
		s, here := m.of(roster.Touch{Room: room, User: k.User})
		if here && s.Status != wire.Invisible && rec.End == nil && slices.Contains(rec.Rooms, room) {
			n++
		}
	}
	return n
}

// asked is what can be asked, as far as the roster of r and a few names go.
type asked interface {
	of(roster.Touch) (roster.Seen, bool)
	connections(room string) int
}

type built struct{ *roster.Roster }

func (r built) of(t roster.Touch) (roster.Seen, bool) { return r.Of(t) }
func (r built) connections(room string) int           { return r.Connections(room) }

// show is everything that others could learn, as text.
func show(a asked, users, rooms []string) string {
	var b strings.Builder
	for _, room := range append([]string{""}, rooms...) {
		fmt.Fprintf(&b, "%q %d\n", room, a.connections(room))
		for _, user := range users {
			if s, here := a.of(roster.Touch{Room: room, User: user}); here {
				fmt.Fprintf(&b, "  %s %+v\n", user, s)
			}
		}
	}
	return b.String()
}
