package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// kit is where the figures of the mesh are.
func (h *house) kit() obs.Kit { return obs.Kit{Registry: h.registry} }

// tellPresence runs random schedules in one house until enough are told, and
// judges then that nobody is left.
func tellPresence(t *testing.T, cfg mesh.Config, nodes *natstest.Nodes, first uint64, most int, wait time.Duration) {
	t.Helper()
	p := newParlour(t, cfg, nodes, time.Second)
	var all []*presenceSchedule
	sights, heard, strict := 0, 0, 0
	for begun := time.Now(); len(all) < most && (len(all) == 0 || time.Since(begun) < wait); {
		s := newPresenceSchedule(t, p, first+uint64(len(all)), presenceUsers, presenceDevices)
		s.mustHold()
		all = append(all, s)
		for _, one := range s.sights {
			sights++
			heard += len(one.heard)
			if !one.holes {
				strict++
			}
		}
	}
	p.over(all)
	_, whole := p.witness.of("")
	t.Logf("%d schedules from seed %d: %d changes heard in %d stays, %d of them without a hole; every word is known: %v",
		len(all), first, heard, sights, strict, whole)
}

// presenceHouses is how many houses tell schedules at once, beside the one in a
// cluster. They wait for graces and leases most of their time.
const presenceHouses = 4

// presenceBudget is how many schedules are told in each house, and how long it
// may begin another.
func presenceBudget() (most int, wait time.Duration) {
	switch {
	case *schedules > 0:
		return *schedules, time.Hour
	case *long:
		return 40, time.Hour
	}
	return 40, 15 * time.Second
}

// TestTheRosterIsRightWhateverHappens is told with -long only, until no schedule
// finds a fault: now and then a connection that its gateway lost at once has an
// end in the journal and no start.
func TestTheRosterIsRightWhateverHappens(t *testing.T) {
	takesLong(t)
	most, wait := presenceBudget()
	first := firstSeed()
	var houses sync.WaitGroup
	defer houses.Wait()
	tell := func(name string, first uint64, build func(testing.TB) (mesh.Config, *natstest.Nodes)) {
		houses.Go(func() {
			t.Run(name, func(t *testing.T) {
				cfg, nodes := build(t)
				tellPresence(t, cfg, nodes, first, most, wait)
			})
		})
	}
	alone := func(t testing.TB) (mesh.Config, *natstest.Nodes) { t.Helper(); return config(t), nil }
	tell("in a cluster", first, inCluster)
	for n := range presenceHouses {
		tell(fmt.Sprint("in house ", n), first+uint64(n+1)*1000, alone)
	}
}
