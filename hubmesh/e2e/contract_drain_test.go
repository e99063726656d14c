package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// farewell is the data of a server:shutdown.
func farewell(t testing.TB, frame string) (after time.Duration) {
	t.Helper()
	if err := like(frame, `{"event":"server:shutdown","data":{"message":"<text>","reconnectAfterMs":"<number>"}}`); err != nil {
		t.Fatal(err)
	}
	var e struct {
		Data struct{ ReconnectAfterMs int64 }
	}
	if err := json.Unmarshal([]byte(frame), &e); err != nil || e.Data.ReconnectAfterMs < 0 {
		t.Fatalf("heard %s, %v", frame, err)
	}
	return time.Duration(e.Data.ReconnectAfterMs) * time.Millisecond
}

func TestADrainSendsClientsElsewhere(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	cfg := config(t).Gateway
	cfg.Drain, cfg.Admin = patience/2, true
	g, stop := h.addGateway(t, cfg)
	until(t, patience, func() figures { return ask(t, h.mesh.Gateways()[0]) }, func(f figures) bool { return f.ServerCount == 2 })
	const clients = 100
	members := make([]talk, clients)
	for i := range members {
		members[i] = come(t, g, "ann")
	}
	waiting := knock(t, g, hub.Config{}) // has shown no token yet
	done := make(chan struct{})
	go func() { defer close(done); stop() }()

	// While the last clients have not gone, it says so and lets nobody in.
	after := make([]time.Duration, clients)
	after[0] = farewell(t, members[0].hear())
	if got := ready(t, g); got != http.StatusServiceUnavailable {
		t.Errorf("ready: HTTP %d while draining, want 503", got)
	}
	if live := get(t, g, "/api/v1/health/live", nil); live.status != http.StatusOK {
		t.Errorf("live: HTTP %d while draining, want 200", live.status)
	}
	unavailable(t, refused(t, g, hub.Config{Token: token(t, "bob")}))

	spread := map[time.Duration]bool{}
	for i, k := range members {
		if i > 0 {
			after[i] = farewell(t, k.hear())
		}
		spread[after[i]] = true
		if after[i] > cfg.Drain {
			t.Errorf("client %d is to come back after %v, later than the drain lasts", i, after[i])
		}
		k.endsAfter(1012)
		_ = k.socket.Cut()
	}
	if len(spread) < clients/4 {
		t.Errorf("%d clients are to come back at %d different times", clients, len(spread))
	}
	waiting.ends(1012)
	_ = waiting.socket.Cut()
	<-done
	until(t, patience, func() figures { return ask(t, h.mesh.Gateways()[0]) }, func(f figures) bool { return f.ServerCount == 1 && f.TotalConnections == 0 })
}

func TestADrainWaitsNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	cfg := config(t).Gateway
	cfg.Drain = time.Second
	g, stop := h.addGateway(t, cfg)
	k := come(t, g, "ann") // reads, but does not go
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("the drain took %v, want about three seconds", took)
	}
	farewell(t, k.hear())
	k.endsAfter(1012)
}

func TestWhatWaitsForAClientIsWrittenBeforeTheDrainClosesIt(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g, stop := h.addGateway(t, config(t).Gateway)
	k, other := come(t, g, "ann"), come(t, g, "bob")
	for _, m := range []talk{k, other} {
		m.enter("task:1")
	}
	const events = 50
	want := func(n int) string {
		return fmt.Sprintf(`{"event":"message","room":"task:1","data":%d,"offset":%d,"time":"<ms>"}`, n, n)
	}
	for n := 1; n <= events; n++ {
		h.stored(t, "hub.event.task.1", strconv.Itoa(n))
		other.hears(want(n))
	}
	_ = other.socket.Cut()
	done := make(chan struct{})
	go func() { defer close(done); stop() }()
	for n := 1; n <= events; n++ {
		k.hears(want(n))
	}
	farewell(t, k.hear())
	k.endsAfter(1012)
	_ = k.socket.Cut()
	<-done
}
