package e2e

import (
	"flag"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

var (
	seed      = flag.Uint64("seed", 0, "the first random schedule; 0 means one of the clock's")
	schedules = flag.Int("schedules", 0, "how many random schedules; 0 means as many as a minute holds, or 200 with -long")
)

// tellStories runs random schedules in a house until enough are told.
func tellStories(t *testing.T, h *house, nodes *natstest.Nodes, first uint64, most int, until time.Time) {
	t.Helper()
	g, wire := h.addCuttable()
	var steady []place
	for _, g := range h.mesh.Gateways()[:2] {
		steady = append(steady, g)
	}
	replace := func(p place) place {
		h.mesh.Kill(p.(*gateway.Server)) //nolint:errcheck // a panic says it too
		return h.newborn()
	}
	told, heard, spans := 0, 0, 0
	for ; told < most && (told < 10 || time.Now().Before(until)); told++ {
		s := &schedule{house: h, t: t, seed: first + uint64(told), cut: g, wire: wire, nodes: nodes, places: steady, replace: replace}
		s.mustHold()
		spans += len(s.ledger.spans)
		for _, one := range s.ledger.spans {
			heard += len(one.heard)
		}
		steady = s.places
	}
	t.Logf("%d schedules from seed %d: %d events heard in %d stays", told, first, heard, spans)
}

// firstSeed is what the flag says, or one that differs in each run.
func firstSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(time.Now().UnixMilli())
}

// budget is how many schedules are told in one kind of house, and until when.
func budget() (most int, until time.Time) {
	switch {
	case *schedules > 0:
		return *schedules, time.Now().Add(time.Hour)
	case *long:
		return 100, time.Now().Add(time.Hour)
	}
	return 100, time.Now().Add(25 * time.Second)
}

func TestEveryMemberHearsEachEventOnceWhateverHappens(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	most, until := budget()
	tellStories(t, open(t, cfg), nil, firstSeed(), most, until)
}

func TestEveryMemberHearsEachEventOnceInAClusterToo(t *testing.T) {
	cfg, nodes := inCluster(t)
	most, until := budget()
	tellStories(t, open(t, cfg), nodes, firstSeed(), most, until)
}
