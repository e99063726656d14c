package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestAGatewayCarriesEventsBothWays(t *testing.T) {
	nc, backend := mesh(t)
	g := serve(t, config(), nc)
	ann, bob := g.enter(t, "ann"), g.enter(t, "bob")
	for _, u := range []*user{ann, bob} {
		u.say(t, `{"id":1,"event":"subscribe","data":"task:42"}`)
		u.wantHear(t, `{"ack":1,"data":{"rooms":[{"room":"task:42"`)
	}
	ann.say(t, `{"id":2,"event":"publish","data":{"room":"task:42","event":"note","data":{"a":1},"durable":true}}`)
	ann.wantHear(t, `{"ack":2,"data":{"offset":1}}`)
	bob.wantHear(t, `{"event":"note","room":"task:42","data":{"a":1},"offset":1,"from":"ann","time":`)
	if err := backend.Publish("hub.live.task.42", []byte(`"hi"`)); err != nil {
		t.Fatal(err)
	}
	ann.wantHear(t, `{"event":"message","room":"task:42","data":"hi"}`)
	bob.wantHear(t, `{"event":"message","room":"task:42","data":"hi"}`)
	m, err := backend.Request("hub.conn."+g.ID()+"."+bob.id, []byte(`{}`), patience)
	if err != nil || string(m.Data) != "{}" {
		t.Errorf("hub.conn: %v, %v; want {}", m, err)
	}
	bob.wantHear(t, `{"event":"message","data":{}}`)
}

func TestWhoIsNotLetInHearsWhy(t *testing.T) {
	s, backend := natstest.Mesh(t)
	cfg := config()
	cfg.DecideWait, cfg.MaxConnections = 200*time.Millisecond, 1
	g := serve(t, cfg, natstest.Conn(t, s))
	if _, status := g.dial(t, "ann"); status != 503 {
		t.Errorf("without authz: status %d, want 503", status)
	}
	authz(t, backend)
	if _, status := g.dial(t, "bad"); status != 401 {
		t.Errorf("a bad token: status %d, want 401", status)
	}
	g.enter(t, "ann")
	if _, status := g.dial(t, "bob"); status != 503 {
		t.Errorf("a full gateway: status %d, want 503", status)
	}
}

func TestADrainedGatewayLeavesNothing(t *testing.T) {
	nc, backend := mesh(t)
	before := nc.NumSubscriptions()
	g := serve(t, config(), nc)
	ann := g.enter(t, "ann")
	g.stop()
	ann.wantHear(t, `{"event":"server:shutdown","data":{"message":`, "close 1012")
	g.wantEnd(t)
	if _, err := net.Dial("tcp", g.Addr().String()); err == nil {
		t.Error("its address is still open")
	}
	if err := g.Ready(t.Context()); !errors.Is(err, obs.ErrDraining) {
		t.Errorf("Ready: %v, want draining", err)
	}
	// One is the client's own, for requests; those of the micro service drain.
	await(t, func() bool { return nc.NumSubscriptions() <= before+1 })
	if _, held := lease(t, backend); held {
		t.Error("its lease is left")
	}
}

func TestAGatewayWhoseLeaseCannotBeGivenUpEndsWell(t *testing.T) {
	nc, backend := mesh(t)
	g := serve(t, config(), nc)
	js, err := jetstream.New(backend)
	if err == nil {
		err = js.DeleteKeyValue(t.Context(), "HUB_GATEWAYS") // nothing takes the write, as without a quorum
	}
	if err != nil {
		t.Fatal(err)
	}
	g.wantEnd(t)
}

// lease reads the lease of g1.
func lease(t *testing.T, nc *nats.Conn) (l wire.Lease, held bool) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := js.KeyValue(t.Context(), "HUB_GATEWAYS")
	if err != nil {
		t.Fatal(err)
	}
	e, err := bucket.Get(t.Context(), "g1")
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return l, false
	}
	if err == nil {
		err = json.Unmarshal(e.Value(), &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l, true
}

func TestWhileDrainingNobodyIsLetIn(t *testing.T) {
	nc, _ := mesh(t)
	g := serve(t, config(), nc)
	// Its clients do not close, so that the drain lasts.
	ann := g.enter(t, "ann")
	g.stop()
	ann.wantHear(t, `{"event":"server:shutdown"`)
	if status, body := g.get(t, obs.ReadyPath); status != 503 || !strings.Contains(body, "draining") {
		t.Errorf("ready: %d %s, want 503 draining", status, body)
	}
	if status, _ := g.get(t, obs.LivePath); status != 200 {
		t.Errorf("live: %d, want 200", status)
	}
	if _, status := g.dial(t, "bob"); status != 503 {
		t.Errorf("a new connection: status %d, want 503", status)
	}
}

func TestAKilledGatewaySaysNothingAndLeavesItsLease(t *testing.T) {
	nc, backend := mesh(t)
	g := serve(t, config(), nc)
	ann := g.enter(t, "ann")
	g.Kill()
	ann.wantHear(t, "end")
	if err := <-g.ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, held := lease(t, backend); !held {
		t.Error("its lease is gone")
	}
	if !nc.IsClosed() {
		t.Error("its NATS connection is open")
	}
}

// TestASecondGatewayUnderALivingIdRefuses, and the first one's connections are
// answered for by nobody else meanwhile.
func TestASecondGatewayUnderALivingIdRefuses(t *testing.T) {
	s, backend := natstest.Mesh(t)
	authz(t, backend)
	g := serve(t, config(), natstest.Conn(t, s))
	ann := g.enter(t, "ann")
	refused := make(chan error, 1)
	go func() {
		_, err := gateway.Listen(t.Context(), config(), natstest.Conn(t, s), kit())
		refused <- err
	}()
	for {
		m, err := backend.Request("hub.conn.g1."+ann.id, []byte(`{}`), patience)
		if err != nil || string(m.Data) != "{}" {
			t.Errorf("its connection: %v, %v; want {}", m, err)
		}
		ann.wantHear(t, `{"event":"message"`)
		select {
		case err := <-refused:
			if !errors.Is(err, kv.ErrHeld) || !strings.Contains(err.Error(), "HUBMESH_GATEWAY_ID") {
				t.Errorf("Listen: %v, want that the id is held", err)
			}
			return
		default:
		}
	}
}

func TestAnIdIsTakenAgainAfterItsGatewayHasDied(t *testing.T) {
	s, backend := natstest.Mesh(t)
	authz(t, backend)
	first := serve(t, config(), natstest.Conn(t, s))
	before := number(t, first.enter(t, "ann").id)
	first.Kill()
	second := serve(t, config(), natstest.Conn(t, s))
	one, two := number(t, second.enter(t, "ann").id), number(t, second.enter(t, "ann").id)
	if one <= before || two != one+1 {
		t.Errorf("connections %d, then after a restart %d and %d; want numbers that rise", before, one, two)
	}
}

// number is that of a connection of g1.
func number(t *testing.T, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(id, "g1-"), 10, 64)
	if err != nil {
		t.Fatalf("connection %q: %v", id, err)
	}
	return n
}

func TestAGatewayThatCannotListenSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s, backend := natstest.Mesh(t)
	for name, c := range map[string]struct {
		change func(*gateway.Config)
		want   string
	}{
		"a prefix that is none":  {func(c *gateway.Config) { c.Prefix = "A" }, "gateway: read prefix: "},
		"an address in use":      {func(c *gateway.Config) { c.Listen = taken.Addr().String() }, "HUBMESH_LISTEN"},
		"an origin that is none": {func(c *gateway.Config) { c.Origins = []string{"example.com"} }, `origin "example.com"`},
		"half a second's lease":  {func(c *gateway.Config) { c.LeaseTTL = 500 * time.Millisecond }, "whole seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			if _, err := gateway.Listen(t.Context(), cfg, natstest.Conn(t, s), kit()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Listen: %v, want %q in it", err, c.want)
			}
			if _, held := lease(t, backend); held {
				t.Error("its lease is left")
			}
		})
	}
}

func TestAGatewayWithoutItsStreamsWaits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	// JetStream is off: the streams can be neither found nor made.
	nc := natstest.Conn(t, natstest.Server(t, func(o *server.Options) { o.JetStream = false }))
	if _, err := gateway.Listen(ctx, config(), nc, kit()); err == nil {
		t.Error("Listen found no fault")
	}
}
