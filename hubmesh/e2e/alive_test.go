package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// figures is what a gateway tells of the mesh over HTTP.
type figures struct {
	ServerID         string `json:"serverId"`
	Connections      int    `json:"connections"`
	TotalConnections int    `json:"totalConnections"`
	ServerCount      int    `json:"serverCount"`
}

func ask(t testing.TB, g place) (f figures) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr().String()+"/api/v1/ws/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(resp.Body).Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// until asks again until ok, for at most wait, and returns how long it took.
func until[T any](t testing.TB, wait time.Duration, ask func() T, ok func(T) bool) time.Duration {
	t.Helper()
	begun := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got := ask()
		if ok(got) {
			return time.Since(begun)
		}
		if time.Since(begun) > wait {
			t.Fatalf("after %v it is still %+v", wait, got)
		}
		<-tick.C
	}
}

func TestAKilledGatewayIsGoneFromTheFiguresWithinTwentySeconds(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	if *long { // as in production
		cfg.Gateway.LeaseTTL, cfg.Gateway.LeaseRenew = 0, 0
	}
	h := open(t, cfg)
	first, second := h.mesh.Gateways()[0], h.mesh.Gateways()[1]
	for range 3 {
		dial(t, first, "ann")
	}
	dial(t, second, "bob")
	until(t, patience, func() figures { return ask(t, first) }, func(f figures) bool {
		return f.Connections == 3 && f.TotalConnections == 4 && f.ServerCount == 2
	})
	h.mesh.Kill(second)
	took := until(t, 20*time.Second, func() figures { return ask(t, first) }, func(f figures) bool {
		return f.Connections == 3 && f.TotalConnections == 3 && f.ServerCount == 1
	})
	living, err := natsconn.Call[wire.GatewaysAnswer](t.Context(), h.nc, subject.Tree{}.Svc(subject.Presence, "gateways"), struct{}{})
	if err != nil || len(living.Gateways) != 1 {
		t.Errorf("presence says %+v, %v", living, err)
	}
	t.Logf("right %v after the kill", took.Round(time.Millisecond))
}

func TestFourServicesAnswerAPing(t *testing.T) {
	h := open(t, config(t))
	answers, err := h.nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.nc.PublishRequest("$SRV.PING", answers.Subject, nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	for range 4 {
		m, err := answers.NextMsg(patience)
		if err != nil {
			t.Fatalf("after %v: %v", names, err)
		}
		var pong struct{ Name string }
		if err := json.Unmarshal(m.Data, &pong); err != nil {
			t.Fatal(err)
		}
		names = append(names, pong.Name)
	}
	slices.Sort(names)
	want := []string{"hubmesh-authz", "hubmesh-gateway", "hubmesh-presence", "hubmesh-ratelimit"}
	if !slices.Equal(names, want) {
		t.Errorf("%v answered, want %v", names, want)
	}
}
