package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// truth is what the log holds of each room when a story has ended, in order.
type truth map[string][]fact

// fact is one stored event.
type fact struct {
	offset uint64
	id     string // of the event's own, unique in a story
	except string // the connection that must not hear it
}

// span is what one connection heard of one room, from when it entered until it
// left or ended.
type span struct {
	client, conn, room string

	after  uint64  // it is entitled to everything above
	heard  []fact  // in the order heard
	claims []claim // positions it was told, or comes back with
	all    bool    // it stayed until everything was told
}

// claim is a position: everything up to it had been heard after so many events.
type claim struct {
	offset uint64
	heard  int
	by     string
}

func (s span) String() string {
	return fmt.Sprintf("%s (%s) in %s after %d", s.client, s.conn, s.room, s.after)
}

// check fails unless the span is what its connection was entitled to: the
// room's events above its begin, each once and in order, without a hole, up to
// where it ended; and no claim says more than had been heard.
func (t truth) check(s span) error {
	due := slices.DeleteFunc(slices.Clone(t[s.room]), func(f fact) bool { return f.offset <= s.after || f.except == s.conn })
	for i, got := range s.heard {
		switch {
		case i > 0 && got.offset == s.heard[i-1].offset:
			return fmt.Errorf("%v heard %d twice", s, got.offset)
		case i > 0 && got.offset < s.heard[i-1].offset:
			return fmt.Errorf("%v heard %d after %d", s, got.offset, s.heard[i-1].offset)
		case got.offset <= s.after:
			return fmt.Errorf("%v heard %d, which it had", s, got.offset)
		case i >= len(due) || got.offset < due[i].offset:
			return fmt.Errorf("%v heard %d, which the log does not hold for it", s, got.offset)
		case got.offset > due[i].offset:
			return fmt.Errorf("%v did not hear %d, but %d after it", s, due[i].offset, got.offset)
		case got.id != due[i].id:
			return fmt.Errorf("%v heard %s at %d, where %s is stored", s, got.id, got.offset, due[i].id)
		}
	}
	for _, c := range s.claims {
		if c.heard < len(due) && due[c.heard].offset <= c.offset {
			return fmt.Errorf("%v had not heard %d when its position was %d by %s", s, due[c.heard].offset, c.offset, c.by)
		}
	}
	if s.all && len(s.heard) < len(due) {
		return fmt.Errorf("%v never heard %d, and %d more", s, due[len(s.heard)].offset, len(due)-len(s.heard)-1)
	}
	return nil
}

// promise is a publish that was acked.
type promise struct {
	room string
	fact
	conn string // whose publishes keep their order; empty: a backend's
}

// kept fails unless every event that was acked is stored where the ack says,
// none is stored twice, and each connection's are in the order it asked.
func (t truth) kept(promises []promise) error {
	at := map[string]uint64{}
	for room, facts := range t {
		for _, f := range facts {
			if was, twice := at[f.id]; twice {
				return fmt.Errorf("%s is stored in %s at %d and at %d", f.id, room, was, f.offset)
			}
			at[f.id] = f.offset
		}
	}
	last := map[string]promise{}
	for _, p := range promises {
		if got := at[p.id]; got != p.offset {
			return fmt.Errorf("%s was acked at %d of %s and is stored at %d (0: nowhere)", p.id, p.offset, p.room, got)
		}
		if was := last[p.conn]; p.conn != "" && was.offset >= p.offset {
			return fmt.Errorf("%s asked for %s before %s, and they are stored at %d and %d", p.conn, was.id, p.id, was.offset, p.offset)
		}
		last[p.conn] = p
	}
	return nil
}

// model is a small truth: room r holds these offsets, 30 kept from connection x.
func model() truth {
	facts := []fact{{10, "a", ""}, {20, "b", ""}, {30, "c", "x"}, {40, "d", ""}, {50, "e", ""}}
	return truth{"r": facts, "other": {{25, "z", ""}}}
}

// of is a span that heard these offsets of the model.
func of(after uint64, all bool, offsets ...uint64) span {
	s := span{client: "ann", conn: "y", room: "r", after: after, all: all}
	for _, o := range offsets {
		s.heard = append(s.heard, fact{offset: o, id: map[uint64]string{10: "a", 20: "b", 30: "c", 40: "d", 50: "e", 25: "z"}[o]})
	}
	return s
}

func TestTheCheckerFindsWhatIsPlanted(t *testing.T) {
	spanOfX := of(0, true, 10, 20, 40, 50)
	spanOfX.conn = "x"
	wrong := of(0, false, 10, 20)
	wrong.heard[1].id = "a"
	claiming := func(s span, offset uint64, heard int) span {
		s.claims = append(s.claims, claim{offset, heard, "a test"})
		return s
	}
	stories := map[string]struct {
		span
		right bool
	}{
		"everything":                                {of(0, true, 10, 20, 30, 40, 50), true},
		"everything after a position":               {of(20, true, 30, 40, 50), true},
		"the beginning, then the connection ended":  {of(0, false, 10, 20), true},
		"nothing, then the connection ended":        {of(20, false), true},
		"nothing was due":                           {of(50, true), true},
		"all but what its own connection must not":  {spanOfX, true},
		"a position that is true":                   {claiming(of(0, true, 10, 20, 30, 40, 50), 29, 2), true},
		"a loss in the middle":                      {of(0, true, 10, 20, 40, 50), false},
		"a loss at the beginning":                   {of(0, false, 20, 30), false},
		"a loss at the end":                         {of(0, true, 10, 20, 30, 40), false},
		"a loss of everything":                      {of(0, true), false},
		"a double":                                  {of(0, true, 10, 20, 20, 30, 40, 50), false},
		"a double of what it had":                   {of(20, false, 20, 30), false},
		"a double at the end":                       {of(0, true, 10, 20, 30, 40, 50, 50), false},
		"an inversion":                              {of(0, true, 10, 30, 20, 40, 50), false},
		"an inversion at the end":                   {of(0, true, 10, 20, 30, 50, 40), false},
		"another room's event":                      {of(0, true, 10, 20, 25, 30, 40, 50), false},
		"another event than is stored":              {wrong, false},
		"what its own connection must not hear":     {span{conn: "x", room: "r", heard: of(0, false, 10, 20, 30).heard}, false},
		"a position that claims what was not heard": {claiming(of(0, true, 10, 20, 30, 40, 50), 30, 2), false},
		"a position told too early":                 {claiming(of(0, false), 10, 0), false},
	}
	for name, s := range stories {
		if err := model().check(s.span); (err == nil) != s.right {
			t.Errorf("%s: %v, want an error: %v", name, err, !s.right)
		}
	}
}

func TestTheCheckerFindsPromisesThatWereBroken(t *testing.T) {
	p := func(offset uint64, id, conn string) promise { return promise{"r", fact{offset: offset, id: id}, conn} }
	twice := model()
	twice["r"] = append(twice["r"], fact{offset: 60, id: "a"})
	stories := map[string]struct {
		truth
		promises []promise
		right    bool
	}{
		"kept":                    {model(), []promise{p(10, "a", "x"), p(20, "b", ""), p(40, "d", "x")}, true},
		"lost":                    {model(), []promise{p(60, "f", "")}, false},
		"stored elsewhere":        {model(), []promise{p(20, "a", "")}, false},
		"stored twice":            {twice, nil, false},
		"stored in another order": {model(), []promise{p(40, "d", "x"), p(10, "a", "x")}, false},
	}
	for name, s := range stories {
		if err := s.kept(s.promises); (err == nil) != s.right {
			t.Errorf("%s: %v, want an error: %v", name, err, !s.right)
		}
	}
}
