package roster

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Stored is what stands under a connection's key. The zero Stored is nothing.
type Stored struct {
	Record wire.PresenceRecord
	There  bool // there is a record
	Gone   bool // there is a marker instead: the connection has ended; Record is its last, if the marker has it
}

// Verdict is what becomes of a report.
type Verdict int

// The verdicts.
const (
	Write   Verdict = iota // store the record that Stand returns
	Old                    // it is stored already, or a later one is
	Refused                // the connection has ended
	Ended                  // its end was told already, unless a later record says that it is held
)

// Stand says what becomes of a connection's record by a report of its gateway.
// status and at are the user's status as it is known (Roster.Status), now is
// unix ms.
//
// Reports may come twice, late, and through several replicas: the turn says
// which is the newest. What has ended stays so, unless it ended only because
// its gateway's lease did, and the gateway holds it: an end is not told twice.
func Stand(was Stored, s wire.PresenceStand, status *wire.UserStatus, at, now int64) (wire.PresenceRecord, Verdict) {
	over := was.Gone || was.There && was.Record.End != nil
	switch {
	case was.There && s.Turn <= was.Record.Turn:
		return wire.PresenceRecord{}, Old
	case over && was.Record.Swept && s.End != nil:
		return wire.PresenceRecord{}, Ended
	case over && (!was.Record.Swept || s.Turn <= was.Record.Turn):
		return wire.PresenceRecord{}, Refused
	}
	rec := wire.PresenceRecord{
		Turn: s.Turn, Door: s.Door, IP: s.IP, Since: s.Since, Info: s.Info, Rooms: slices.Clone(s.Rooms),
		Status: was.Record.Status, StatusAt: was.Record.StatusAt,
	}
	switch {
	case s.Fresh && s.Status != nil:
		// Above what is known, so that the last change wins also where clocks
		// differ.
		rec.Status, rec.StatusAt = s.Status, max(now, at+1, was.Record.StatusAt+1)
	case !was.There && status != nil:
		rec.Status, rec.StatusAt = status, at
	case !was.There && s.Status != nil:
		rec.Status, rec.StatusAt = s.Status, 1 // below whatever is said anew
	}
	if s.End != nil {
		end := *s.End
		// Nobody was told that it began, so nobody waits for its return.
		end.Grace = end.Grace && was.There
		rec.End = &end
	}
	return rec, Write
}
