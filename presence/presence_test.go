package presence_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var long = flag.Bool("long", false, "a storm of 10,000 connections instead of 500 (make soak)")

// replica is one presence that a test runs.
type replica struct {
	t      *testing.T
	server *presence.Server
	kit    obs.Kit
	lines  chan string // of its log
	end    func() error
}

// Write takes a line of the log.
func (r *replica) Write(line []byte) (int, error) {
	r.lines <- string(line)
	return len(line), nil
}

// until reads the log up to the line that tells msg of a gateway.
func (r *replica) until(msg, gateway string) {
	r.t.Helper()
	for line := range r.lines {
		if strings.Contains(line, msg) && strings.Contains(line, gateway) {
			return
		}
	}
}

// start runs a replica until the test ends or end is called.
func start(t *testing.T, nc *nats.Conn) *replica { return startWith(t, nc, presence.Config{}) }

func startWith(t *testing.T, nc *nats.Conn, cfg presence.Config) *replica {
	t.Helper()
	r := &replica{t: t, lines: make(chan string, 1000)}
	r.kit = obs.Kit{Log: obs.Logger(r, "info", true), Registry: obs.NewRegistry()}
	server, err := presence.Listen(t.Context(), cfg, nc, r.kit)
	if err != nil {
		t.Fatal(err)
	}
	r.server = server
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	r.end = func() error { cancel(); return <-served }
	return r
}

// gateway holds a lease as a gateway does, until kill.
func gateway(t *testing.T, nc *nats.Conn, id string, connections int) (lease *kv.Lease, kill func()) {
	t.Helper()
	lease, err := kv.Claim(t.Context(), nc, kv.LeaseConfig{
		Bucket: subject.Gateways, Key: id, TTL: time.Second, Renew: 100 * time.Millisecond,
		Value: func() []byte { return fmt.Appendf(nil, `{"connections":%d}`, connections) },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- lease.Serve(ctx) }()
	return lease, func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("lease of %s: %v", id, err)
		}
	}
}

func ask(t *testing.T, nc *nats.Conn) (connections map[string]int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	answer, err := natsconn.Call[wire.GatewaysAnswer](ctx, nc, subject.Tree{}.Svc(subject.Presence, "gateways"), nil)
	if err != nil {
		t.Fatal(err)
	}
	connections = map[string]int{}
	for id, l := range answer.Gateways {
		connections[id] = l.Connections
	}
	return connections
}

func expect(t *testing.T, nc *nats.Conn, want map[string]int) {
	t.Helper()
	for range 20 { // whichever replica answers
		if got := ask(t, nc); !maps.Equal(got, want) {
			t.Fatalf("gateways = %v, want %v", got, want)
		}
	}
}

func TestReplicasAgreeOnWhichGatewaysLive(t *testing.T) {
	s, nc := natstest.Mesh(t)
	_, kill1 := gateway(t, nc, "g1", 3)
	replicas := []*replica{start(t, natstest.Conn(t, s)), start(t, natstest.Conn(t, s))}
	lease2, kill2 := gateway(t, nc, "g2", 4)
	for _, r := range replicas {
		r.until("has begun", "g1")
		r.until("has begun", "g2")
	}
	expect(t, nc, map[string]int{"g1": 3, "g2": 4})

	kill1() // its lease ends by itself
	for _, r := range replicas {
		r.until("has ended", "g1")
	}
	expect(t, nc, map[string]int{"g2": 4})

	kill2()
	if err := lease2.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range replicas {
		r.until("has ended", "g2")
	}
	expect(t, nc, map[string]int{})

	for i, r := range replicas {
		if err := r.end(); err != nil {
			t.Errorf("replica %d: Serve returned %v, want nil", i, err)
		}
	}
}

func TestAReplicaThatStartsLaterKnowsAllFromItsFirstAnswer(t *testing.T) {
	s, nc := natstest.Mesh(t)
	_, kill := gateway(t, nc, "g1", 3)
	defer kill()
	first := start(t, natstest.Conn(t, s))
	expect(t, nc, map[string]int{"g1": 3})
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	start(t, natstest.Conn(t, s))
	expect(t, nc, map[string]int{"g1": 3})
}

func TestItIsFoundAsAMicroServiceAndAnswersNothingElse(t *testing.T) {
	s, nc := natstest.Mesh(t)
	start(t, natstest.Conn(t, s))
	ping, err := nc.RequestWithContext(t.Context(), "$SRV.PING.hubmesh-presence", nil)
	if err != nil {
		t.Fatalf("ping: %v", err)
	}
	var pong micro.Ping
	if err := json.Unmarshal(ping.Data, &pong); err != nil || pong.Name != "hubmesh-presence" {
		t.Errorf("ping: %s, %v; want hubmesh-presence", ping.Data, err)
	}
	told, err := nc.RequestWithContext(t.Context(), "$SRV.INFO.hubmesh-presence", nil)
	if err != nil {
		t.Fatalf("info: %v", err)
	}
	var info micro.Info
	if err := json.Unmarshal(told.Data, &info); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject+" "+e.QueueGroup)
	}
	want := []string{
		"hub.int.presence.report presence", "hub.svc.presence.room presence", "hub.svc.presence.users presence",
		"hub.svc.presence.count presence", "hub.svc.presence.gateways presence",
	}
	if !slices.Equal(subjects, want) {
		t.Errorf("it answers %q, want %q", subjects, want)
	}
}

func TestItIsReadyWhileNATSCarriesItsWords(t *testing.T) {
	s, _ := natstest.Mesh(t)
	wire := natstest.NewWire(t, s)
	nc := wire.Conn(t)
	r := start(t, nc)
	if err := r.server.Ready(t.Context()); err != nil {
		t.Errorf("connected: Ready = %v, want nil", err)
	}
	away := nc.StatusChanged(nats.RECONNECTING)
	wire.Cut()
	<-away
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.server.Ready(ctx); err == nil {
		t.Error("cut from NATS: Ready = nil, want an error")
	}
}

func TestWhatIsAskedWhileItEndsIsAnswered(t *testing.T) {
	s, nc := natstest.Mesh(t)
	own := natstest.Conn(t, s)
	r := start(t, own)
	const asks = 500
	inbox := nc.NewRespInbox()
	answers := make(chan *nats.Msg, asks)
	if _, err := nc.ChanSubscribe(inbox, answers); err != nil {
		t.Fatal(err)
	}
	for range asks {
		if err := nc.PublishRequest(subject.Tree{}.Svc(subject.Presence, "gateways"), inbox, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil { // all are with NATS, which sends them to the replica
		t.Fatal(err)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Drain(own); err != nil {
		t.Fatal(err)
	}
	for i := range asks {
		if m := <-answers; m.Header.Get("Status") != "" {
			t.Fatalf("answer %d is status %s", i, m.Header.Get("Status"))
		}
	}
}

func TestItsFiguresAreThereFromTheStart(t *testing.T) {
	s, nc := natstest.Mesh(t)
	_, kill := gateway(t, nc, "g1", 3)
	defer kill()
	r := start(t, natstest.Conn(t, s))
	figures := func() map[string]float64 {
		families, err := r.kit.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				all[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
		return all
	}
	for name, want := range map[string]float64{"hubmesh_presence_gateways": 1, "hubmesh_presence_answers_total": 0} {
		if got, ok := figures()[name]; !ok || got != want {
			t.Errorf("%s = %v, %v at the start, want %v", name, got, ok, want)
		}
	}
	ask(t, nc)
	if got := figures()["hubmesh_presence_answers_total"]; got != 1 {
		t.Errorf("after one answer hubmesh_presence_answers_total = %v, want 1", got)
	}
}
