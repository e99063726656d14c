package told

import (
	"encoding/json"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Position is how far a log is known.
type Position struct {
	Epoch string // which log
	Seq   uint64
}

// Verdict is what Next found.
type Verdict int

// The verdicts.
const (
	Known  Verdict = iota // others were told just that
	Behind                // others were told by one who knew more of the log: wait for it
	Tell
)

// Next compares what others were told of a user in a room, or in the mesh,
// with how the user is seen at a position of HUB_PRESENCE. If they differ it
// returns what to tell, and the sequence of the word that it replaces: 0 when
// none is known.
func (v *View) Next(of roster.Touch, is roster.Seen, here bool, log Position) (m wire.PresenceTold, replaces uint64, verdict Verdict) {
	was, wasHere := v.find(of)
	if !wasHere {
		was = v.left[of]
	}
	switch {
	case wasHere == here && (!here || *was.face == is.Face):
		return m, 0, Known
	case was.epoch != nil && *was.epoch == log.Epoch && was.log > log.Seq:
		return m, 0, Behind
	}
	m.Room, m.User, m.Epoch, m.Log = of.Room, of.User, log.Epoch, log.Seq
	if of.Room != "" {
		m.Users = v.Len(of.Room)
	}
	switch {
	case !here:
		m.Change, m.Status = wire.Left, wire.Offline
		m.Info = raw(was.face.Info)
		m.Users = max(m.Users-1, 0)
		return m, was.seq, Tell
	case !wasHere:
		m.Change = wire.Joined
		if of.Room != "" {
			m.Users++
		}
	default:
		m.Change = wire.Changed
	}
	m.Status, m.Text, m.Connections = is.Status, is.Text, is.Connections
	m.Data, m.Info = raw(is.Data), raw(is.Info)
	return m, was.seq, Tell
}

// raw is JSON that may be absent.
func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// Outlived says that positions in HUB_PRESENCE no longer mean what they did
// when the words of now were told, since its end was lost.
func (v *View) Outlived() {
	gone := func(w word) word { w.epoch = nil; return w }
	for user, w := range v.users {
		v.users[user] = gone(w)
	}
	for _, l := range v.rooms {
		for w := range l.After("") {
			l.Put(gone(w))
		}
	}
	for of, w := range v.left {
		v.left[of] = gone(w)
	}
}
