package e2e

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

var long = flag.Bool("long", false, "tell the stories at full length (make soak)")

// publishAll publishes count events to a room from several publishers at once,
// each waiting for its ack. Before each is called before it, with its number.
func (h *house) publishAll(room string, publishers, count int, before func(n int)) {
	h.t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range publishers {
		wg.Go(func() {
			for n := range next {
				h.event(room, n)
			}
		})
	}
	for n := range count {
		before(n)
		next <- n
	}
	close(next)
	wg.Wait()
}

// pace keeps publishers from running away from members who are quick, where the
// machine is slow: a gateway would close those as too slow. Safe for concurrent
// use.
type pace struct {
	mu    sync.Mutex // guards heard
	moved sync.Cond
	heard []int // events, by member
}

// ahead is how many events may be under way: fewer than may wait for a member.
const ahead = 500

func newPace(members int) *pace {
	p := &pace{heard: make([]int, members)}
	p.moved.L = &p.mu
	return p
}

// set notes how many events a member has heard.
func (p *pace) set(member, heard int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard[member] = heard
	p.moved.Broadcast()
}

// wait returns when event n may be published.
func (p *pace) wait(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for slices.Min(p.heard) < n-ahead {
		p.moved.Wait()
	}
}

// heardAll reads count events and fails unless offsets rise and each number
// comes once. It returns the offsets. After each of them heard is called.
func heardAll(t testing.TB, c *hub.Client, who string, count int, heard func(n int)) []uint64 {
	t.Helper()
	offsets := make([]uint64, 0, count)
	seen := make([]bool, count)
	for range count {
		e := hear(t, c)
		n := number(t, e)
		if len(offsets) > 0 && e.Offset <= offsets[len(offsets)-1] {
			t.Fatalf("%s heard offset %d after %d", who, e.Offset, offsets[len(offsets)-1])
		}
		if seen[n] {
			t.Fatalf("%s heard number %d twice", who, n)
		}
		seen[n] = true
		offsets = append(offsets, e.Offset)
		heard(len(offsets))
	}
	return offsets
}

// sameEverywhere has clients on gateways hear count events of one room, and
// fails unless all hear the same offsets. Those on the first gateway set the
// pace.
func sameEverywhere(t *testing.T, h *house, gateways []*gateway.Server, clients, count int, before func(n int)) {
	t.Helper()
	const room = "task:42"
	members := make([]*hub.Client, clients)
	for i := range members {
		members[i] = dial(t, gateways[i%len(gateways)], fmt.Sprintf("user%d", i))
		enter(t, members[i], hub.Room{Room: room})
	}
	heard := make([][]uint64, clients)
	first := newPace(clients / len(gateways))
	var wg sync.WaitGroup
	for i, c := range members {
		note := func(int) {}
		if i%len(gateways) == 0 {
			note = func(n int) { first.set(i/len(gateways), n) }
		}
		wg.Go(func() {
			defer note(count) // whatever became of it: nobody waits for it any more
			heard[i] = heardAll(t, c, fmt.Sprintf("client %d", i), count, note)
		})
	}
	h.publishAll(room, 4, count, func(n int) {
		before(n)
		first.wait(n)
	})
	wg.Wait()
	if t.Failed() {
		t.FailNow() // a client has said what went wrong
	}
	for i := range heard {
		for j := range heard[i] {
			if heard[i][j] != heard[0][j] {
				t.Fatalf("event %d has offset %d for client %d and %d for client 0", j, heard[i][j], i, heard[0][j])
			}
		}
	}
}

// extent is how many hear how much. All of it takes a minute and more of a
// machine that has others to serve, under the race detector.
func extent() (clients, count int) {
	if *long {
		return 50, 10_000
	}
	return 20, 4000
}

func TestAllMembersHearTheSameInTheSameOrder(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	clients, count := extent()
	sameEverywhere(t, h, h.mesh.Gateways(), clients, count, func(int) {})
}

func TestAGatewayThatWasCutOffReadsBackWhatItMissed(t *testing.T) {
	h := open(t, config(t))
	g, wire := h.addCuttable()
	cut := 500 * time.Millisecond
	if *long {
		cut = 5 * time.Second
	}
	mended := make(chan struct{})
	clients, count := extent()
	before := func(n int) {
		switch n {
		case count * 3 / 10:
			wire.Cut()
			time.AfterFunc(cut, func() { wire.Mend(); close(mended) })
		case count * 9 / 10: // most is published during the cut, the rest after it
			<-mended
		}
	}
	sameEverywhere(t, h, []*gateway.Server{h.mesh.Gateways()[0], g}, clients, count, before)
}
