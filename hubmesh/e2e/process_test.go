package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

// place is where clients connect: a gateway in this process or in one of its
// own.
type place interface {
	ID() string
	Addr() net.Addr
}

// process is a gateway in a process of its own.
type process struct {
	t    testing.TB
	id   string
	addr net.Addr
	cmd  *exec.Cmd
}

// ID is the gateway's id.
func (p *process) ID() string { return p.id }

// Addr is where it listens.
func (p *process) Addr() net.Addr { return p.addr }

// build makes the program of the gateway and returns its path.
func build(t testing.TB) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "gateway")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/hubmesh/hubmesh/gateway/cmd/gateway").CombinedOutput()
	if err != nil {
		t.Fatalf("build the gateway: %v\n%s", err, out)
	}
	return program
}

// run starts a gateway in a process of its own on the house's NATS, and returns
// when it is ready. It ends with the test at the latest.
func (h *house) run(program, id string, env ...string) *process {
	h.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", natstest.Addresses(h.t, 1)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	p := &process{t: h.t, id: id, addr: addr, cmd: exec.CommandContext(h.t.Context(), program)}
	p.cmd.Env = append(os.Environ(), "HUBMESH_NATS_URL="+h.mesh.NATSURL(), "HUBMESH_GATEWAY_ID="+id,
		"HUBMESH_LISTEN="+addr.String(), "HUBMESH_ADMIN_LISTEN=127.0.0.1:0", "HUBMESH_LOG=error")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(p.kill)
	until(h.t, patience, func() int { return p.ready(h.t) }, func(status int) bool { return status == http.StatusOK })
	return p
}

func (p *process) ready(t testing.TB) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.addr.String()+"/api/v1/health/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0 // it does not listen yet
	}
	_ = resp.Body.Close() // nothing was sent but a status
	return resp.StatusCode
}

// kill ends it with SIGKILL and waits for its end.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill() // it may have ended with the test
		_ = p.cmd.Wait()         // "signal: killed" is what was wanted
	}
}

func TestEveryMemberHearsEachEventOnceWhenProcessesAreKilled(t *testing.T) {
	h := open(t, config(t))
	program := build(t)
	first, started := firstSeed(), 0
	run := func() place {
		started++
		return h.run(program, fmt.Sprintf("p%d", started))
	}
	places := []place{run(), run()}
	for told := range uint64(3) {
		s := &schedule{house: h, t: t, seed: first + told, places: places, replace: func(p place) place {
			p.(*process).kill() //nolint:errcheck // a panic says it too
			return run()
		}}
		s.mustHold()
		places = s.places
	}
}

// survives has clients hear count events while their gateway is killed, and
// come back elsewhere.
func survives(t *testing.T, h *house, dies, lives place, kill func()) {
	t.Helper()
	const clients, count, room = 20, 2000, "task:42"
	heard := make([][]uint64, clients)
	var wg, in sync.WaitGroup
	in.Add(clients)
	for i := range clients {
		wg.Go(func() { heard[i] = hearsAll(t, i, room, count, dies, lives, in.Done) })
	}
	in.Wait()
	h.publishAll(room, 4, count, func(n int) {
		if n == count/4 {
			kill()
		}
	})
	wg.Wait()
	want := h.between(room, 0, h.log().Last)
	for i, got := range heard {
		if !slices.Equal(got, want) {
			t.Errorf("client %d heard %d events, want each of the %d once and in order%s", i, len(got), len(want), firstDifference(got, want))
		}
	}
}

// firstDifference tells where two lists part.
func firstDifference(got, want []uint64) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("; the %dth is %d, want %d, after %v", i, got[i], want[i], got[max(0, i-3):i])
		}
	}
	return ""
}

// hearsAll hears count events of a room, first here, and elsewhere from where
// it was when the connection has ended.
func hearsAll(t *testing.T, i int, room string, count int, here, elsewhere place, entered func()) (heard []uint64) {
	since := (*hub.Position)(nil)
	for g := here; ; g = elsewhere {
		c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, fmt.Sprintf("user%d", i))})
		if err != nil {
			t.Error(err)
			return heard
		}
		in, err := c.Subscribe(t.Context(), hub.Room{Room: room, Since: since})
		if err != nil || len(in.Rooms) != 1 || since != nil && !*in.Rooms[0].Recovered {
			t.Errorf("client %d came back from %v to %+v, %v", i, since, in, err)
			return heard
		}
		if since == nil {
			entered()
			since = &hub.Position{Epoch: in.Rooms[0].Epoch, Offset: in.Rooms[0].Offset}
		}
		for e := range c.Events() {
			if e.Offset == 0 {
				t.Errorf("client %d heard %s of a gateway that was killed", i, e.Raw)
				return heard
			}
			heard = append(heard, e.Offset)
			since.Offset = e.Offset
			if len(heard) == count {
				_ = c.Cut() // nothing more is to be heard
				return heard
			}
		}
	}
}

func TestTwentyClientsLoseNothingWhenTheirGatewayIsKilled(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	all := h.mesh.Gateways()
	survives(t, h, all[0], all[1], func() { h.mesh.Kill(all[0]) })
}

func TestTwentyClientsLoseNothingWhenTheirGatewaysProcessIsKilled(t *testing.T) {
	h := open(t, config(t))
	program := build(t)
	dies := h.run(program, "dies")
	survives(t, h, dies, h.run(program, "lives"), dies.kill)
}

var _ place = (*gateway.Server)(nil)
