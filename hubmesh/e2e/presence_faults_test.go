package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// faultConfig is a mesh with short leases, or with -long those of production.
func faultConfig(t testing.TB) (cfg mesh.Config, proof time.Duration) {
	t.Helper()
	cfg = config(t)
	if *long {
		cfg.Gateway.LeaseTTL, cfg.Gateway.LeaseRenew = 0, 0
		return cfg, 0
	}
	return cfg, time.Second
}

// gathers has every second device at each of two gateways, all in one room.
func (s *presenceSchedule) gathers(even, odd place) {
	s.t.Helper()
	for n, g := range s.guests {
		at := even
		if n%2 == 1 {
			at = odd
		}
		if !g.back(s.t.Context(), at) {
			s.t.Fatalf("%s was not let in by %s", g.name, at.ID())
		}
		s.enters(g, s.rooms[0])
	}
	s.settle()
}

// fallen kills a gateway, and whatever else kill does, while others go, say
// something, and come back elsewhere; and waits until right says that all is
// well. It fails unless each change was told once.
func (s *presenceSchedule) fallen(dies, lives place, kill func(), right func(roll) error) {
	s.t.Helper()
	s.gathers(dies, lives)
	s.ill(dies)
	begun := time.Now()
	kill()
	room := s.rooms[0]
	s.exitsFrom(s.guests[7], room)  // whose user has no other device
	s.exitsFrom(s.guests[11], room) // whose user's other device died
	s.do(s.guests[5], func() { s.guests[5].say(face{"away", "lunch"}) })
	for _, g := range s.guests {
		if g.at == dies {
			<-g.ended
		}
	}
	if !s.guests[2].back(s.t.Context(), lives) { // before anybody knows that it was gone
		s.t.Fatalf("%s was not let in", s.guests[2].name)
	}
	s.lull()
	if err := right(s.roll(room)); err != nil {
		s.t.Error(err)
	}
	took := time.Since(begun)
	s.t.Logf("right %v after the kill", took.Round(time.Millisecond))
	if took > 20*time.Second {
		s.t.Errorf("it was right after %v, want 20s at most", took)
	}
	s.sightsAreRight()
	s.witness.caughtUp(s.house)
	if err := s.verdict(); err != nil {
		s.t.Error(err)
	}
	s.toldOnce(room)
}

// toldOnce fails unless just these changes of a room were told, each once.
func (s *presenceSchedule) toldOnce(room string) {
	s.t.Helper()
	words, whole := s.witness.of(s.prefix())
	got, want := map[string]int{}, map[string]int{}
	for _, w := range words {
		if w.room == room {
			got[w.user+" "+w.change]++
		}
	}
	for n := range fallenUsers {
		user := fmt.Sprintf("%su%d", s.prefix(), n)
		want[user+" join"] = 1
		if slices.Contains([]int{0, 6, 7, 8, 10}, n) {
			want[user+" leave"] = 1
		}
	}
	want[s.guests[5].user+" status"] = 1
	if !whole || !maps.Equal(got, want) {
		s.t.Errorf("told was %v, want %v; every word is known: %v", got, want, whole)
	}
}

// Devices of fallenUsers: those above come as a second one of the first users,
// at the other gateway.
const (
	fallenUsers   = 11
	fallenDevices = 16
)

func TestTheRosterIsRightWithinTwentySecondsOfTheDeathOfAGatewayAndAReplica(t *testing.T) {
	takesLong(t)
	t.Parallel()
	cfg, proof := faultConfig(t)
	p := newParlour(t, cfg, nil, proof)
	s := newPresenceSchedule(t, p, firstSeed(), fallenUsers, fallenDevices)
	dies, lives := p.steady[0], p.steady[1]
	s.fallen(dies, lives, func() {
		p.mesh.Kill(dies)
		p.replicas[0].kill()
		p.replicas[0] = nil
		p.steady = p.steady[1:]
	}, func(is roll) error { return p.right(s.rooms[0], is) })
	for _, g := range s.guests {
		g.leave()
	}
	p.over([]*presenceSchedule{s})
}

// buildProgram makes a service's program and returns its path.
func buildProgram(t testing.TB, service string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), service)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/hubmesh/hubmesh/"+service+"/cmd/"+service).CombinedOutput()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", service, err, out)
	}
	return program
}

// runPresence starts a presence in a process of its own, and returns when it is
// ready.
func (h *house) runPresence(program string) *process {
	h.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", natstest.Addresses(h.t, 1)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	p := &process{t: h.t, id: "presence", addr: addr, cmd: exec.CommandContext(h.t.Context(), program)}
	p.cmd.Env = append(p.cmd.Environ(), "HUBMESH_NATS_URL="+h.mesh.NATSURL(), "HUBMESH_ADMIN_LISTEN="+addr.String(), "HUBMESH_LOG=error")
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.kill)
	until(h.t, patience, func() int { return p.ready(h.t) }, func(status int) bool { return status == http.StatusOK })
	return p
}

func TestTheRosterIsRightWithinTwentySecondsWhenProcessesAreKilled(t *testing.T) {
	if !*long {
		t.Skip("waits for the lease of a gateway as it is in production: run with -long")
	}
	t.Parallel()
	cfg, _ := faultConfig(t)
	cfg.Without = []string{subject.Presence}
	p := &parlour{t: t, house: open(t, cfg), witness: &witness{}}
	p.witness.listen(p.house)
	presence, gateway := buildProgram(t, "presence"), buildProgram(t, "gateway")
	replica := p.runPresence(presence)
	p.runPresence(presence)
	dies, lives := p.run(gateway, "dies"), p.run(gateway, "lives")
	s := newPresenceSchedule(t, p, firstSeed(), fallenUsers, fallenDevices)
	s.fallen(dies, lives, func() {
		dies.kill()
		replica.kill()
	}, func(is roll) error { return p.rightInProcesses(lives, s.rooms[0], is) })
	for _, g := range s.guests {
		g.leave()
	}
	if err := p.rightInProcesses(lives, s.rooms[0], roll{}); err != nil {
		t.Error(err)
	}
	p.eachEndedOnce(s)
}

// rightInProcesses waits until presence says that just these are in a room, and
// then a gateway does, whose clients have the limits of production: they may not
// ask as often as one waits.
func (p *parlour) rightInProcesses(at place, room string, is roll) error {
	p.t.Helper()
	want := is.visible()
	var got wire.PresenceRoomAnswer
	if !eventually(func() (right bool) {
		var err error
		got, err = natsconn.Call[wire.PresenceRoomAnswer](p.t.Context(), p.nc, subject.Tree{}.Svc(subject.Presence, "room"), wire.PresenceRoomAsk{Room: room})
		return err == nil && want.equal(got.Users)
	}) {
		return fmt.Errorf("presence says of %s %+v, want %v", room, got, want)
	}
	return p.rightAt(at, room, is)
}

func TestABusThatWasAwayForLongerThanALeaseEndsNobody(t *testing.T) {
	takesLong(t)
	t.Parallel()
	server, admin := natstest.Mesh(t)
	w := natstest.NewWire(t, server)
	cfg, proof := faultConfig(t)
	cfg.NATS.URL = w.URL()
	cfg.NATS.Options = []nats.Option{nats.IgnoreDiscoveredServers()}
	p := newParlour(t, cfg, nil, proof)
	s := newPresenceSchedule(t, p, firstSeed(), fallenUsers, fallenDevices)
	s.gathers(p.steady[0], p.steady[1])
	s.witness.caughtUp(s.house)
	before, _ := p.witness.of(s.prefix())

	away := time.NewTimer(0)
	if *long {
		away.Reset(25 * time.Second)
	}
	w.Cut()
	js, err := jetstream.New(admin)
	if err != nil {
		t.Fatal(err)
	}
	leases, err := js.KeyValue(t.Context(), subject.Tree{}.Bucket(subject.Gateways))
	if err != nil {
		t.Fatal(err)
	}
	living := func() []string {
		keys, _ := leases.Keys(t.Context()) // none is an error, too
		return keys
	}
	until(t, patience, living, func(ids []string) bool { return len(ids) == 0 })
	<-away.C
	w.Mend()
	until(t, patience, living, func(ids []string) bool { return len(ids) == len(p.places()) })
	s.settle()
	if err := p.right(s.rooms[0], s.roll(s.rooms[0])); err != nil {
		t.Error(err)
	}
	s.witness.caughtUp(s.house)
	if after, _ := p.witness.of(s.prefix()); !slices.Equal(after, before) {
		t.Errorf("told was %v while the bus was away, want nothing", after[len(before):])
	}
	s.endsOnlyWhenTheyLeave()
}

// endsOnlyWhenTheyLeave fails unless each connection has one start and no end
// now, and one end when it has left.
func (s *presenceSchedule) endsOnlyWhenTheyLeave() {
	s.t.Helper()
	marks, _ := s.marks(s.prefix())
	for conn, all := range marks {
		if all[0] != begins || slices.Contains(all[1:], begins) || slices.Contains(all, ends) {
			s.t.Errorf("of %s %q is recorded, want one start and no end", conn, all)
		}
	}
	if len(marks) != len(s.guests) {
		s.t.Errorf("%d connections are recorded, want %d", len(marks), len(s.guests))
	}
	for _, g := range s.guests {
		g.leave()
	}
	s.over([]*presenceSchedule{s})
	marks, _ = s.marks(s.prefix())
	for conn, all := range marks {
		if n := len(slices.DeleteFunc(slices.Clone(all), func(m mark) bool { return m != ends })); n != 1 {
			s.t.Errorf("of %s %q is recorded, want one end", conn, all)
		}
	}
}

// rightAt waits until a gateway says that just these are in a room.
func (p *parlour) rightAt(at place, room string, is roll) error {
	want := is.visible()
	c, err := hub.Dial(p.t.Context(), hub.Config{URL: "http://" + at.Addr().String(), Token: token(p.t, "probe")})
	if err != nil {
		return err
	}
	defer func() { _ = c.Cut() }() // it was asked all
	var last string
	if eventually(func() bool {
		raw, err := c.Ask(p.t.Context(), "presence:get", map[string]string{"room": room})
		var a wire.PresenceUsersAnswer
		last = fmt.Sprintf("%s, %v", raw, err)
		return err == nil && json.Unmarshal(raw, &a) == nil && want.equal(a.Users)
	}) {
		return nil
	}
	return fmt.Errorf("presence:get of %s through %s says %s, want %v", room, at.ID(), last, want)
}
