package roster_test

import (
	"testing"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestAReportIsStoredUnlessALaterOneOrTheEndIs(t *testing.T) {
	ended := &wire.PresenceEnd{At: 5, Grace: true}
	there := func(turn uint64, end *wire.PresenceEnd, swept bool) roster.Stored {
		return roster.Stored{There: true, Record: wire.PresenceRecord{Turn: turn, End: end, Swept: swept}}
	}
	gone := func(turn uint64, swept bool) roster.Stored {
		return roster.Stored{Gone: true, Record: wire.PresenceRecord{Turn: turn, End: ended, Swept: swept}}
	}
	for name, c := range map[string]struct {
		was  roster.Stored
		turn uint64
		want roster.Verdict
	}{
		"the first":                                {roster.Stored{}, 1, roster.Write},
		"the next":                                 {there(1, nil, false), 2, roster.Write},
		"the same again":                           {there(2, nil, false), 2, roster.Old},
		"one that was overtaken":                   {there(3, nil, false), 2, roster.Old},
		"the end again":                            {there(3, ended, false), 3, roster.Old},
		"what comes after the end":                 {there(3, ended, false), 4, roster.Refused},
		"the first, after the end":                 {gone(2, false), 1, roster.Refused},
		"one after an end that left no record":     {roster.Stored{Gone: true}, 9, roster.Refused},
		"a gateway that lives on, while swept":     {there(3, ended, true), 4, roster.Write},
		"a gateway that lives on, after":           {gone(3, true), 4, roster.Write},
		"a late one of a gateway that was swept":   {gone(3, true), 3, roster.Refused},
		"a later one, long after it was swept":     {roster.Stored{}, 7, roster.Write},
		"a late one, while what was swept is told": {there(3, ended, true), 3, roster.Old},
	} {
		if _, got := roster.Stand(c.was, wire.PresenceStand{Turn: c.turn}, nil, 0, 1); got != c.want {
			t.Errorf("%s: verdict %v, want %v", name, got, c.want)
		}
	}
}

func TestWhatWasSweptEndsAgainOnlyWhenItWasHeldMeanwhile(t *testing.T) {
	swept := wire.PresenceRecord{Turn: 3, Swept: true, End: &wire.PresenceEnd{}}
	end := wire.PresenceStand{Turn: 4, End: &wire.PresenceEnd{Grace: true}}
	for name, c := range map[string]struct {
		was  roster.Stored
		want roster.Verdict
	}{
		"it was not":                     {roster.Stored{There: true, Record: swept}, roster.Ended},
		"it was not, and its key is old": {roster.Stored{Gone: true, Record: swept}, roster.Ended},
		"it was":                         {roster.Stored{There: true, Record: wire.PresenceRecord{Turn: 3}}, roster.Write},
	} {
		if _, got := roster.Stand(c.was, end, nil, 0, 1); got != c.want {
			t.Errorf("%s: verdict %v, want %v", name, got, c.want)
		}
	}
}

func TestTheStatusIsTheLastThatWasSaid(t *testing.T) {
	away, busy := &wire.UserStatus{Status: wire.Away}, &wire.UserStatus{Status: wire.Busy}
	const now, hourAhead = 1000, 1000 + 3600_000
	for name, c := range map[string]struct {
		was    roster.Stored
		stand  wire.PresenceStand
		status *wire.UserStatus
		at     int64
		want   *wire.UserStatus
		wantAt int64
	}{
		"nothing was ever said":                       {stand: wire.PresenceStand{Turn: 1}},
		"it is said now":                              {stand: wire.PresenceStand{Turn: 1, Status: away, Fresh: true}, want: away, wantAt: now},
		"it was said before by a clock ahead of ours": {stand: wire.PresenceStand{Turn: 1, Status: away, Fresh: true}, status: busy, at: hourAhead, want: away, wantAt: hourAhead + 1},
		"a new connection takes what the user said":   {stand: wire.PresenceStand{Turn: 1}, status: busy, at: 500, want: busy, wantAt: 500},
		"what was said long ago does not come back":   {stand: wire.PresenceStand{Turn: 9, Status: away}, status: busy, at: 500, want: busy, wantAt: 500},
		"what nobody else knows comes back":           {stand: wire.PresenceStand{Turn: 9, Status: away}, want: away, wantAt: 1},
		"another report leaves it as it is": {
			was:   roster.Stored{There: true, Record: wire.PresenceRecord{Turn: 1, Status: busy, StatusAt: 500}},
			stand: wire.PresenceStand{Turn: 2, Status: away}, status: away, at: 700, want: busy, wantAt: 500,
		},
	} {
		rec, _ := roster.Stand(c.was, c.stand, c.status, c.at, now)
		if rec.Status != c.want || rec.StatusAt != c.wantAt {
			t.Errorf("%s: %v at %d, want %v at %d", name, rec.Status, rec.StatusAt, c.want, c.wantAt)
		}
	}
}

func TestWhoEndsBeforeItBeganIsWaitedForByNobody(t *testing.T) {
	s := wire.PresenceStand{Turn: 2, Rooms: []string{"task:1"}, End: &wire.PresenceEnd{Grace: true}}
	rec, _ := roster.Stand(roster.Stored{}, s, nil, 0, 1)
	r := roster.New()
	if touched := r.Apply(1, roster.Key{User: "ann", Gateway: "g1", Conn: "g1-1"}, &rec); len(touched) > 0 {
		t.Errorf("it touched %v, want nothing", touched)
	}
	if !s.End.Grace {
		t.Error("the report itself was changed")
	}
}
