package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// reads counts what is read of rooms in the log, by whomever.
type reads struct {
	mu    sync.Mutex     // guards the maps
	parts map[string]int // by what was asked: a room's subject and a range
	words map[string]int // of the leader, likewise
}

// countReads hears every read of a room from now on.
func (h *house) countReads() *reads {
	h.t.Helper()
	r := &reads{parts: map[string]int{}, words: map[string]int{}}
	hear := func(subj string, count map[string]int) {
		_, err := h.nc.Subscribe(subj, func(m *nats.Msg) {
			var ask struct {
				Room string `json:"next_by_subj"`
			}
			if json.Unmarshal(m.Data, &ask) != nil || ask.Room == "" {
				return // of no room
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			count[string(m.Data)]++
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	hear("$JS.API.DIRECT.GET."+stream, r.parts)
	hear("$JS.API.STREAM.MSG.GET."+stream, r.words)
	if err := h.nc.Flush(); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// most is how often one part of a room was read at most, and the number of all
// reads and of the leader's words.
func (r *reads) most() (most, parts, words int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.parts {
		most, parts = max(most, n), parts+n
	}
	for _, n := range r.words {
		words += n
	}
	return most, parts, words
}

// away stores events in rooms, as nobody is there, and returns the crowd that
// missed them.
func (h *house) away(clients, rooms, missed int) crowd {
	h.t.Helper()
	c := crowd{Count: clients, AtOnce: 200, Since: *h.at(h.log().Last), Missed: make([][]uint64, rooms)}
	for n := range missed * rooms {
		c.Missed[n%rooms] = append(c.Missed[n%rooms], h.event(fmt.Sprintf("task:%d", n%rooms), n))
	}
	return c
}

// TestAStormOfReturnsReadsEachRoomOnce has many clients come back at once to a
// gateway that remembers nothing.
func TestAStormOfReturnsReadsEachRoomOnce(t *testing.T) {
	h := open(t, config(t))
	c := h.away(400, 100, 20)
	c.AtOnce = 50 // both ends are in this process
	g := h.newborn()
	c.URLs = []string{"http://" + g.Addr().String()}
	read := h.countReads()
	leave, err := c.comes(t.Context())
	defer leave()
	if err != nil {
		t.Error(err)
	}
	most, parts, words := read.most()
	t.Logf("%d parts of 100 rooms were read, each %d times at most, and %d words of the leader", parts, most, words)
	if parts > 300 { // the events, and that there are no more; again where an answer was late
		t.Errorf("%d parts of 100 rooms were read for 400 clients, want two of each room, once", parts)
	}
}

// countQuestions counts what authz is asked from now on, by what.
func (h *house) countQuestions() (asked func(what string) int64) {
	h.t.Helper()
	counts := map[string]*atomic.Int64{}
	for _, what := range []string{"connect", "join"} {
		count := new(atomic.Int64)
		counts[what] = count
		if _, err := h.nc.Subscribe("hub.svc.authz."+what, func(*nats.Msg) { count.Add(1) }); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := h.nc.Flush(); err != nil {
		h.t.Fatal(err)
	}
	return func(what string) int64 { return counts[what].Load() }
}

// liveTraffic measures how long events take to a member that has nothing to do
// with a storm: count of them, or for as long as over holds nothing.
func (h *house) liveTraffic(g place, count int, over chan time.Duration) (all []time.Duration) {
	h.t.Helper()
	c := dial(h.t, g, "calm")
	defer c.Cut() //nolint:errcheck // the story is over
	enter(h.t, c, hub.Room{Room: "task:live"})
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < count || over != nil && len(over) == 0 || len(all) == 0; n++ {
		<-tick.C
		begun := time.Now()
		heardExactly(h.t, c, "task:live", h.events("task:live", 1))
		all = append(all, time.Since(begun))
	}
	return all
}

// memory is what a process takes of the machine's memory, in MiB: now, and the
// most it ever took. Both are 0 where the system does not tell.
func (p *process) memory() (now, most int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0 // not Linux
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		kib, err := strconv.Atoi(f[1])
		switch {
		case err != nil:
		case f[0] == "VmRSS:":
			now = kib >> 10
		case f[0] == "VmHWM:":
			most = kib >> 10
		}
	}
	return now, most
}

func TestTenThousandComeBackWithinTenSeconds(t *testing.T) {
	takesLong(t)
	const clients, rooms, missed, processes = 10_000, 100, 20, 4
	program := build(t)
	for gateways := 1; gateways <= 2; gateways++ {
		t.Run(fmt.Sprintf("to %d", gateways), func(t *testing.T) {
			h := open(t, config(t))
			c := h.away(clients, rooms, missed)
			var to []*process
			for n := range gateways {
				g := h.run(program, fmt.Sprintf("g%d", n), "HUBMESH_MAX_CONNECTIONS=20000")
				to, c.URLs = append(to, g), append(c.URLs, "http://"+g.Addr().String())
			}
			crowd := gather(t, c, processes)
			born, _ := to[0].memory()
			before50, before99 := spread(h.liveTraffic(to[0], 1000, nil))
			calm, _ := to[0].memory()
			read, asked := h.countReads(), h.countQuestions()
			back := make(chan time.Duration, 1)
			go func() { back <- crowd.comes() }()
			during50, during99 := spread(h.liveTraffic(to[0], 0, back))
			took := <-back
			in, peak := to[0].memory()
			most, parts, words := read.most()
			crowd.leave()
			until(t, patience, func() int { return h.connections(to[0]) }, func(n int) bool { return n == 0 })
			left, _ := to[0].memory()
			t.Logf(`
%d clients of %d rooms come back, %d missed each, from %d processes to %d gateways
  all have heard what they missed   after %v
  reads of the log                  %d, each part of a room at most %d times; words of its leader %d
  questions to authz                %d who connects, %d what they may
  live p50/p99 of another room      before %v/%v, during %v/%v
  memory of the first gateway       started %d MiB, before %d, at most %d, all in %d, all gone %d`,
				clients, rooms, missed, processes, gateways, took.Round(time.Millisecond), parts, most, words,
				asked("connect"), asked("join"), before50, before99, during50, during99, born, calm, peak, in, left)
			if most > gateways {
				t.Errorf("a part of a room was read %d times by %d gateways, want once each", most, gateways)
			}
			if asked("connect") > clients+10 || asked("join") > clients+100 { // the calm one's, and those for readiness
				t.Errorf("authz was asked %d times who connects and %d times what they may, by %d clients", asked("connect"), asked("join"), clients)
			}
			if took > 10*time.Second {
				t.Errorf("it took %v, want 10 s at most", took)
			}
		})
	}
}

// connections is how many a gateway has of its own.
func (h *house) connections(g place) int {
	return ask(h.t, g).Connections
}
