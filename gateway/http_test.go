package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestReady(t *testing.T) {
	s, backend := natstest.Mesh(t)
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	g := serve(t, config(), nc)
	ready := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return g.Ready(ctx)
	}
	if err := ready(); err == nil || !strings.Contains(err.Error(), "authz") {
		t.Errorf("without authz: %v", err)
	}
	stop := authz(t, backend)
	if err := ready(); err != nil {
		t.Errorf("with all: %v", err)
	}
	if status, body := g.get(t, obs.ReadyPath); status != 200 {
		t.Errorf("with all: %d %s", status, body)
	}
	away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED)
	w.Cut()
	<-away
	if err := ready(); err == nil || !strings.Contains(err.Error(), "NATS") {
		t.Errorf("without NATS: %v", err)
	}
	if status, _ := g.get(t, obs.ReadyPath); status != 503 {
		t.Errorf("without NATS: %d, want 503", status)
	}
	w.Mend()
	<-back
	if err := ready(); err != nil {
		t.Errorf("with NATS again: %v", err)
	}
	stop()
	if err := ready(); err == nil {
		t.Error("authz is gone again, and it is ready")
	}
}

func TestTheSumOfAllGatewaysIsTold(t *testing.T) {
	nc, backend := mesh(t)
	cfg := config()
	cfg.DecideWait = 200 * time.Millisecond
	g := serve(t, cfg, nc)
	g.enter(t, "ann")
	const path = "/api/v1/ws/metrics"
	if status, body := g.get(t, path); status != 503 || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("without presence: %d %s, want 503", status, body)
	}
	asked := make(chan struct{}, 100)
	_, err := backend.Subscribe("hub.svc.presence.gateways", func(m *nats.Msg) {
		asked <- struct{}{}
		// What presence knows of this gateway is older than what it knows itself.
		_ = m.Respond([]byte(`{"gateways":{"g1":{"connections":9},"g2":{"connections":4},"g3":{"connections":0}}}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, backend)
	var status int
	var body string
	await(t, func() bool { // the silence of before is kept for a moment
		status, body = g.get(t, path)
		return status == 200
	})
	want := `{"connections":1,"serverCount":3,"serverId":"g1","totalConnections":5,"uptime":`
	if !strings.HasPrefix(body, want) {
		t.Errorf("%d %s, want %s", status, body, want)
	}
	for range 20 {
		g.get(t, path)
	}
	if n := len(asked); n > 10 {
		t.Errorf("presence was asked %d times for 20 requests", n)
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not in %v", patience)
		}
	}
}

func TestTheLeaseHoldsTheFigures(t *testing.T) {
	nc, backend := mesh(t)
	begin := time.Now().UnixMilli()
	g := serve(t, config(), nc)
	g.enter(t, "ann")
	g.enter(t, "bob")
	var l wire.Lease
	await(t, func() bool { l, _ = lease(t, backend); return l.Connections == 2 })
	if l.StartedAt < begin || l.At < l.StartedAt || l.Draining || l.Version == "" {
		t.Errorf("lease %+v, want one of since %d", l, begin)
	}
}

func TestAnAdminSeesMetricsOnlyWhereItIsWanted(t *testing.T) {
	s, backend := natstest.Mesh(t)
	authz(t, backend)
	cfg := config()
	cfg.Admin = true
	with := serve(t, cfg, natstest.Conn(t, s))
	cfg.Admin, cfg.ID = false, "g2"
	without := serve(t, cfg, natstest.Conn(t, s))
	with.enter(t, "ann")
	_, body := with.get(t, "/metrics")
	for _, line := range []string{
		"ws_connections_total 1\n", "hubmesh_gateway_connections 1\n", `ws_messages_total{direction="in"} 0`,
		`ws_messages_total{direction="out"} `, `ws_connection_errors_total{code="unauthorized"} 0`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("metrics lack %q", line)
		}
	}
	if status, _ := without.get(t, "/metrics"); status != 404 {
		t.Errorf("metrics where clients come: %d, want 404", status)
	}
}

// TestAMessageIsNoLargerThanNATSCarries: headers and subject take 8 KiB of it.
func TestAMessageIsNoLargerThanNATSCarries(t *testing.T) {
	const carries = 64 << 10
	s, backend := natstest.Mesh(t, func(o *server.Options) { o.MaxPayload = carries })
	authz(t, backend)
	g := serve(t, config(), natstest.Conn(t, s))
	frame := func(size int) string {
		const around = `{"id":1,"event":"publish","data":{"room":"task:1","event":"e","durable":true,"data":""}}`
		return strings.Replace(around, `""`, fmt.Sprintf("%q", strings.Repeat("x", size-len(around))), 1)
	}
	ann := g.enter(t, "ann")
	ann.say(t, frame(carries-8<<10))
	ann.wantHear(t, `{"ack":1,"data":{"offset":`)
	ann.say(t, frame(carries-8<<10+1))
	ann.wantHear(t, "close 1009")
}

func TestPagesLoadTheClientFromTheirGateway(t *testing.T) {
	nc, _ := mesh(t)
	g := serve(t, config(), nc)
	if status, body := g.get(t, "/hubmesh.js"); status != 200 || !strings.Contains(body, "as Hub") {
		t.Errorf("status %d, %d bytes, want a module that exports Hub", status, len(body))
	}
}
