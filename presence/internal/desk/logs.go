package desk

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/presence/internal/spelling"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// hereLog hears HUB_PRESENCE.
type hereLog struct {
	d     *Desk
	above string // the beginning of each key's subject
	read  *spelling.Reader
}

func (h hereLog) Entry(e follow.Entry) {
	d := h.d
	key, rec, ok := h.record(e)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known.Here.Seq = e.Seq
	defer d.waits.reached(e.Seq, d.chores)
	if !ok {
		return
	}
	touched := d.known.Roster.Apply(e.Seq, key, rec)
	if !d.whole {
		return
	}
	due := time.Now()
	mine := d.ledger.Mine(e.Header)
	if !mine {
		due = d.later()
	}
	for _, of := range touched {
		d.chores.add(chore{kind: tell, of: of}, due, false)
	}
	if rec != nil && rec.End != nil && !rec.Told {
		if !mine {
			due = due.Add(finishWatch)
		}
		d.chores.add(chore{kind: finish, key: key}, due, !mine)
	}
	d.inherit(key.User, due)
}

// record reads a record. A record of another shape counts as none, so that all
// replicas hold the same, also one that begins later.
func (h hereLog) record(e follow.Entry) (key roster.Key, rec *wire.PresenceRecord, ok bool) {
	text, ok := strings.CutPrefix(e.Subject, h.above)
	if !ok || strings.HasPrefix(text, probe) {
		return key, nil, false
	}
	if key, ok = roster.ParseKey(text); !ok {
		h.d.log.Warn("presence: not a connection's key", obs.Key, text)
		return key, nil, false
	}
	if kv.Gone(e.Header) {
		return key, nil, true
	}
	rec, err := h.read.Record(e.Data)
	if err != nil {
		h.d.log.Warn("presence: record cannot be read", obs.Key, text, obs.Err, err)
		return key, nil, true
	}
	rec.Rooms = slices.DeleteFunc(rec.Rooms, func(room string) bool { _, err := subject.ParseRoom(room); return err != nil })
	return key, rec, true
}

func (h hereLog) Gone(_, to uint64) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.d.known.Here.Seq = to
	h.d.waits.reached(to, h.d.chores)
}

func (h hereLog) Reset(epoch string, _ uint64, why follow.Why) {
	d := h.d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.restart()
	d.known.Roster = roster.New()
	d.known.Here.Epoch, d.known.Here.Seq = epoch, 0
	if why == follow.Fell {
		d.known.View.Outlived()
	}
}

func (h hereLog) Page(context.Context) {}

// restart stops all work until both logs are whole again. It is called under
// mu.
func (d *Desk) restart() {
	d.whole = false
	d.chores = newChores()
	for user := range d.waits.users {
		d.waits.release(user, d.chores) // they are told that too little is known
	}
}

// toldLog hears HUB_TOLD.
type toldLog struct {
	d    *Desk
	read *spelling.Reader
}

func (t toldLog) Entry(e follow.Entry) {
	d := t.d
	room, user, ok := d.cfg.Tree.ParseTell(e.Subject)
	of := roster.Touch{User: user}
	if room != (subject.Room{}) {
		of.Room = room.String()
	}
	// One who has left is a marker with a word.
	var m *wire.PresenceTold
	if len(e.Data) > 0 {
		var err error
		if m, err = t.read.Word(e.Data); err != nil {
			d.log.Warn("presence: word cannot be read", obs.Subject, e.Subject, obs.Err, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known.Told.Seq = e.Seq
	if !ok {
		return
	}
	d.known.View.Apply(e.Seq, e.Time, of, m)
	d.heard(of)
}

func (t toldLog) Gone(_, to uint64) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	t.d.known.Told.Seq = to
}

func (t toldLog) Reset(epoch string, _ uint64, _ follow.Why) {
	d := t.d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.restart()
	d.known.View.Reset()
	d.known.Told.Epoch, d.known.Told.Seq = epoch, 0
}

func (t toldLog) Page(context.Context) {}

// settle brings the figures up to date, and looks whether a log that is read
// anew is whole again. The follower's position goes back just after it told of the Reset: until then it is ahead,
// and the lag is the one before.
func (d *Desk) settle() {
	_, here := d.here.Position()
	_, words := d.told.Position()
	behind := d.here.Stats().Lag+d.told.Stats().Lag > 0
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count(d.known.Roster.Size())
	if d.whole || behind || here > d.known.Here.Seq || words > d.known.Told.Seq {
		return
	}
	d.complete()
}
