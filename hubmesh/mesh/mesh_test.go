package mesh_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const secret = "a secret that is long enough for HS256"

// patience bounds every wait for something that must come, on whichever machine.
const patience = time.Minute

// config is a mesh on any ports in a folder of the test's own.
func config(t testing.TB) mesh.Config {
	t.Helper()
	return mesh.Config{
		Dir: t.TempDir(), NATSListen: "127.0.0.1:0",
		Authz: authz.Config{Secret: secret, Open: []string{"lobby"}},
		Gateway: gateway.Config{
			Listen: "127.0.0.1:0", Drain: time.Second,
			LeaseTTL: 2 * time.Second, LeaseRenew: 200 * time.Millisecond,
		},
	}
}

func kit() obs.Kit {
	return obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
}

// started is a mesh that is served until stop, or the test's end.
func started(t testing.TB, cfg mesh.Config) (m *mesh.Mesh, stop func()) {
	t.Helper()
	m, err := mesh.Start(t.Context(), cfg, kit())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return m, stop
}

func dial(t testing.TB, g *gateway.Server) *hub.Client {
	t.Helper()
	token, err := authz.Mint(secret, "ann", nil, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enter(t testing.TB, c *hub.Client) hub.Entered {
	t.Helper()
	in, err := c.Subscribe(t.Context(), hub.Room{Room: "lobby:1"})
	if err != nil || len(in.Rooms) != 1 {
		t.Fatalf("Subscribe(lobby:1) = %+v, %v", in, err)
	}
	return in.Rooms[0]
}

func publish(t testing.TB, m *mesh.Mesh, subject, data string) {
	t.Helper()
	nc, err := nats.Connect(m.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request(subject, []byte(data), patience); err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
}

func TestAClientHearsWhatABackendPublishes(t *testing.T) {
	m, _ := started(t, config(t))
	c := dial(t, m.Gateways()[0])
	defer c.Cut() //nolint:errcheck // the mesh ends it else
	enter(t, c)
	publish(t, m, "hub.event.lobby.1", `{"title":"Ship it"}`)
	if e := <-c.Events(); e.Room != "lobby:1" || string(e.Data) != `{"title":"Ship it"}` || e.Offset == 0 {
		t.Errorf("heard %s", e.Raw)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	cfg := config(t)
	m, stop := started(t, cfg)
	c := dial(t, m.Gateways()[0])
	enter(t, c)
	stop()
	if err := c.Err(); !closedWith(err, 1012) {
		t.Errorf("the client's end: %v, want a close with 1012", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "RUNNING")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark after a clean stop: %v, want that it is gone", err)
	}
	// Goroutines of closed sockets end a moment after what waits for them.
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
	}
	m, _ = started(t, cfg) // and the folder is free
	if m.NATSURL() == "" {
		t.Error("no address for backends")
	}
}

func closedWith(err error, code int) bool {
	var closed *hub.Closed
	return errors.As(err, &closed) && closed.Code == code
}

func TestAMeshThatIsNeverServedEndsToo(t *testing.T) {
	cfg := config(t)
	m, err := mesh.Start(t.Context(), cfg, kit())
	if err != nil {
		t.Fatal(err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if err := m.Serve(gone); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := m.AddGateway(t.Context(), m.Login(subject.Gateway)); !errors.Is(err, mesh.ErrEnded) {
		t.Errorf("AddGateway after the end: %v, want ErrEnded", err)
	}
}

func TestASecondMeshOnTheFolderIsRefused(t *testing.T) {
	cfg := config(t)
	started(t, cfg)
	_, err := mesh.Start(t.Context(), cfg, kit())
	if used := (*datadir.InUse)(nil); !errors.As(err, &used) {
		t.Errorf("Start: %v, want a *datadir.InUse", err)
	}
}

func TestAPortThatWasSetAndIsTakenIsNamedByItsVariable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing is lost
	taken := l.Addr().String()
	for variable, set := range map[string]func(*mesh.Config){
		"HUBMESH_LISTEN":          func(c *mesh.Config) { c.Gateway.Listen = taken },
		"HUBMESH_DEV_NATS_LISTEN": func(c *mesh.Config) { c.NATSListen = taken },
	} {
		cfg := config(t)
		set(&cfg)
		_, err := mesh.Start(t.Context(), cfg, kit())
		if err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("Start with %s taken: %v, want %s in it", taken, err, variable)
		}
	}
}

func TestTwoGatewaysShareTheirRoomsAndAKilledOneIsForgotten(t *testing.T) {
	cfg := config(t)
	cfg.Gateways, cfg.Gateway.ID = 2, "g"
	m, _ := started(t, cfg)
	first, second := m.Gateways()[0], m.Gateways()[1]
	if first.ID() != "g" || second.ID() != "g-2" {
		t.Errorf("ids = %s, %s, want g, g-2", first.ID(), second.ID())
	}
	third, err := m.AddGateway(t.Context(), m.Login(subject.Gateway))
	if err != nil {
		t.Fatal(err)
	}
	var clients []*hub.Client
	for _, g := range []*gateway.Server{first, second, third} {
		c := dial(t, g)
		defer c.Cut() //nolint:errcheck // the mesh ends it else
		enter(t, c)
		clients = append(clients, c)
	}
	publish(t, m, "hub.event.lobby.1", `1`)
	for i, c := range clients {
		if e := <-c.Events(); string(e.Data) != "1" {
			t.Errorf("client %d heard %s", i, e.Raw)
		}
	}

	m.Kill(second)
	if err := clients[1].Err(); err == nil || closedWith(err, 1012) {
		t.Errorf("the killed gateway's client ended with %v, want no word", err)
	}
	if got := m.Gateways(); !slices.Equal(got, []*gateway.Server{first, third}) {
		t.Errorf("%d gateways live, want the first and the third", len(got))
	}
	waitForGateways(t, m, "g", "g-3")
	publish(t, m, "hub.event.lobby.1", `2`)
	if e := <-clients[2].Events(); string(e.Data) != "2" {
		t.Errorf("the third gateway's client heard %s", e.Raw)
	}
}

// waitForGateways asks presence until these live, as an operator would.
func waitForGateways(t *testing.T, m *mesh.Mesh, want ...string) {
	t.Helper()
	nc, err := nats.Connect(m.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ask := time.NewTicker(50 * time.Millisecond)
	defer ask.Stop()
	var got []string
	for {
		answer, err := natsconn.Call[wire.GatewaysAnswer](ctx, nc, subject.Tree{}.Svc(subject.Presence, "gateways"), nil)
		if err != nil {
			t.Fatalf("gateways = %v, want %v: %v", got, want, err)
		}
		got = got[:0]
		for id := range answer.Gateways {
			got = append(got, id)
		}
		slices.Sort(got)
		if slices.Equal(got, want) {
			return
		}
		<-ask.C
	}
}

func TestAMeshOverAnotherNATSLeavesNoFolder(t *testing.T) {
	s := natstest.Server(t)
	cfg := config(t)
	cfg.NATS = natsconn.Config{URL: "nats://in.process", Options: []nats.Option{nats.InProcessServer(s)}}
	cfg.Dir = filepath.Join(t.TempDir(), "none")
	m, stop := started(t, cfg)
	c := dial(t, m.Gateways()[0])
	if at := enter(t, c); at.Epoch == "" {
		t.Errorf("entered %+v, want an epoch", at)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: %v, want that there is none", err)
	}
	nc := natstest.Conn(t, s)
	if _, err := nc.Request("$JS.API.STREAM.INFO.HUB_EVENTS", nil, patience); err != nil {
		t.Errorf("the other server after the mesh: %v", err)
	}
}

func TestALogWhoseEndMayBeLostHasANewEpoch(t *testing.T) {
	cfg := config(t)
	epoch := func() string {
		m, stop := started(t, cfg)
		defer stop()
		c := dial(t, m.Gateways()[0])
		defer c.Cut() //nolint:errcheck // the mesh ends it else
		return enter(t, c).Epoch
	}
	first, second := epoch(), epoch()
	if first != second || first == "" {
		t.Errorf("epochs of two clean starts = %q, %q, want the same", first, second)
	}
	// As if the machine had gone down while a mesh ran.
	if err := os.WriteFile(filepath.Join(cfg.Dir, "RUNNING"), []byte("another boot"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, fourth := epoch(), epoch()
	if third == second {
		t.Errorf("epoch after a power loss = %q, as before", third)
	}
	if fourth != third {
		t.Errorf("epoch after that = %q, want %q still", fourth, third)
	}
}

func TestAServiceThatSomebodyElseAnswersForIsNotStarted(t *testing.T) {
	cfg := config(t)
	cfg.Without = []string{subject.Authz}
	m, _ := started(t, cfg)
	nc, err := nats.Connect(m.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = nc.Subscribe("hub.svc.authz.connect", func(r *nats.Msg) {
		body, err := json.Marshal(wire.ConnectAnswer{Allow: true, User: "whoever"})
		if err != nil {
			t.Error(err)
		}
		if err := r.Respond(body); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + m.Gateways()[0].Addr().String(), Token: "of my own"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Connected().User; got != "whoever" {
		t.Errorf("user = %q, want whoever", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
