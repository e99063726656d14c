package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// finishWatch is how much longer a replica leaves the end of a connection to
// the one that has begun it, as finding out how far that came is dear.
const finishWatch = time.Second

// subject is where a connection's record stands.
func (d *Desk) subject(key roster.Key) string { return d.cfg.Tree.Key(subject.Here, key.String()) }

func (d *Desk) record(key roster.Key) (rec wire.PresenceRecord, seq uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known.Roster.Record(key)
}

// newestWait bounds one question to a leader.
const newestWait = time.Second

// Newest asks the leader of a stream what stands under a subject.
func (d *Desk) Newest(ctx context.Context, stream, subj string) (kv.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, newestWait)
	defer cancel()
	return kv.Newest(ctx, d.nc, stream, subj)
}

// keep gives a connection the status of its user, so that it is not lost with
// the connection that holds it.
func (d *Desk) keep(ctx context.Context, key roster.Key) (again time.Duration) {
	d.mu.Lock()
	rec, seq, ok := d.known.Roster.Record(key)
	status, at := d.known.Roster.Status(key.User)
	d.mu.Unlock()
	if !ok || rec.End != nil || status == nil || rec.StatusAt >= at {
		return 0
	}
	rec.Status, rec.StatusAt = status, at
	_, err := d.ledger.Store(ctx, ledger.Record{Subject: d.subject(key), Body: rec, After: seq})
	if err != nil && !kv.Raced(err) {
		return retry
	}
	return 0 // if another wrote first, what it wrote is heard, and looked at
}

// finish records the end of a connection in HUB_CLIENTS, once, and then lets
// its key end. A key that has ended and is not told stands for the record that
// is owed, however many replicas die meanwhile.
func (d *Desk) finish(ctx context.Context, key roster.Key, t *task) (again time.Duration) {
	rec, seq, ok := d.record(key)
	if !ok || rec.End == nil || rec.Told {
		return 0
	}
	if t.doubt {
		recorded, err := d.recorded(ctx, key, rec.End.At)
		switch {
		case err != nil:
			d.log.Debug("presence: end not looked for", obs.Conn, key.Conn, obs.Err, err)
			return retry
		case recorded:
			return d.let(ctx, key, rec, seq)
		}
	}
	// From here on it may be stored, though nobody says so. Within two minutes
	// its id tells; who tries later looks first. A connection that was swept and
	// is held nonetheless ends a second time, at a later turn.
	t.doubt = true
	_, err := d.ledger.Store(ctx, ledger.Record{
		Subject: d.cfg.Tree.Client(subject.Disconnected), After: ledger.Any, ID: fmt.Sprintf("%s.end.%d", key.Conn, rec.Turn),
		Body: wire.ClientRecord{
			Connection: key.Conn, User: key.User, Door: rec.Door, Gateway: key.Gateway, IP: rec.IP,
			At: rec.End.At, Reason: rec.End.Reason,
		},
	})
	if err != nil {
		d.log.Debug("presence: end not recorded", obs.Conn, key.Conn, obs.Err, err)
		return retry
	}
	return d.let(ctx, key, rec, seq)
}

// let lets a key end whose end is recorded: after the grace, or now.
func (d *Desk) let(ctx context.Context, key roster.Key, rec wire.PresenceRecord, seq uint64) (again time.Duration) {
	rec.Told = true
	r := ledger.Record{Subject: d.subject(key), Body: rec, After: seq, Stays: Grace}
	if !rec.End.Grace {
		r.Gone, r.Stays = true, marker
	}
	_, err := d.ledger.Store(ctx, r)
	if err == nil {
		d.meter.Ended.Inc()
	}
	if err != nil && !kv.Raced(err) {
		return retry
	}
	return 0 // if another wrote first, what it wrote is heard, and looked at
}

// clocks is how much the clocks of two NATS servers may differ.
const clocks = time.Minute

// lookPage is how many records of HUB_CLIENTS are read back at once.
const lookPage = 500

// recorded reports whether the end of a connection at a time of its gateway's is
// in HUB_CLIENTS: it reads that back to when the connection ended, by the
// servers' clocks.
func (d *Desk) recorded(ctx context.Context, key roster.Key, at int64) (yes bool, err error) {
	ended, err := d.Newest(ctx, d.cfg.Tree.BucketStream(subject.Here), d.subject(key))
	if err != nil {
		return false, err
	}
	st, err := d.ends.State(ctx)
	if err != nil {
		return false, err
	}
	for top := st.Last; top >= st.First && top > 0; {
		from := top - min(top, lookPage)
		page, err := d.ends.Read(ctx, st.Epoch, "", from, top)
		if err != nil {
			return false, err
		}
		for _, e := range page {
			var c wire.ClientRecord
			if e.Subject == d.cfg.Tree.Client(subject.Disconnected) && json.Unmarshal(e.Data, &c) == nil && c.Connection == key.Conn && c.At == at {
				return true, nil
			}
		}
		if len(page) > 0 && ended.Time.Sub(page[0].Time) > clocks {
			return false, nil
		}
		top = from
	}
	return false, nil
}

// Forgo takes rooms that a user has left by his own word from his connections
// that are in grace, and returns what waits to be stored. Their grace begins
// anew for their other rooms.
func (d *Desk) Forgo(user string, rooms []string) (answers []*ledger.Answer) {
	var records []ledger.Record
	d.Read(func(k Known) {
		done := map[roster.Key]bool{}
		for _, room := range rooms {
			for _, key := range k.Roster.InGrace(roster.Touch{Room: room, User: user}) {
				rec, seq, ok := k.Roster.Record(key)
				if !ok || done[key] {
					continue
				}
				done[key] = true
				rec.Rooms = slices.DeleteFunc(rec.Rooms, func(r string) bool { return slices.Contains(rooms, r) })
				r := ledger.Record{Subject: d.subject(key), Body: rec, After: seq}
				if rec.Told {
					r.Stays = Grace
				}
				records = append(records, r)
			}
		}
	})
	for _, r := range records {
		answers = append(answers, d.ledger.Send(r))
	}
	return answers
}

// Send begins to store a record. What that leads to is then this replica's to
// do.
func (d *Desk) Send(r ledger.Record) *ledger.Answer { return d.ledger.Send(r) }
