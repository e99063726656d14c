package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/limit"
)

// limited is a mesh with the limits that it has where nobody sets others.
func limited(t testing.TB) mesh.Config {
	t.Helper()
	cfg := config(t)
	cfg.Gateway.Messages, cfg.Gateway.Signals, cfg.Gateway.User = limit.Limit{}, limit.Limit{}, limit.Limit{}
	cfg.Ratelimit.UserMessages = limit.Limit{}
	return cfg
}

// verdict is how a message fared: 0 when it passed, or after which time it may
// be tried again.
func (k talk) verdict(ask string) (retry time.Duration) {
	k.t.Helper()
	k.say("%s", ask)
	var a struct {
		Ack   *int64
		Error *struct {
			Code         string
			RetryAfterMs int64
		}
	}
	frame := k.hear()
	if err := json.Unmarshal([]byte(frame), &a); err != nil || a.Ack == nil || a.Error != nil && a.Error.Code != "rate_limited" {
		k.t.Fatalf("heard %s, want an ack or rate_limited", frame)
	}
	if a.Error == nil {
		return 0
	}
	if a.Error.RetryAfterMs <= 0 {
		k.t.Fatalf("heard %s, want retryAfterMs", frame)
	}
	return time.Duration(a.Error.RetryAfterMs) * time.Millisecond
}

const (
	pulse     = `{"id":1,"event":"heartbeat"}`
	signalAsk = `{"id":1,"event":"publish","data":{"room":"task:42","event":"e"}}`
	durable   = `{"id":1,"event":"publish","data":{"room":"task:42","event":"e","durable":true}}`
)

// passed sends asks and returns how many passed, and the longest time after
// which one that did not may be tried again.
func (k talk) passed(asks int, ask string) (n int, retry time.Duration) {
	k.t.Helper()
	for range asks {
		wait := k.verdict(ask)
		if wait == 0 {
			n++
		}
		retry = max(retry, wait)
	}
	return n, retry
}

func TestAConnectionMaySendAHundredMessagesAMinute(t *testing.T) {
	h := open(t, limited(t))
	g := h.mesh.Gateways()[0]
	k := come(t, g, "ann")
	begun := time.Now()
	n, retry := k.passed(120, pulse)
	if back := int(time.Since(begun)/(600*time.Millisecond)) + 1; n < 100 || n > 100+back {
		t.Errorf("%d of 120 heartbeats passed in %v, want 100 and one each 600 ms", n, time.Since(begun))
	}
	if retry > 600*time.Millisecond {
		t.Errorf("it may be tried again after %v, want at most 600 ms", retry)
	}
	before, err := h.js.Stream(t.Context(), "HUB_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	stored := before.CachedInfo().State.LastSeq
	if k.verdict(durable) > 0 {
		if info, err := before.Info(t.Context()); err != nil || info.State.LastSeq != stored {
			t.Errorf("a message over the limit was processed: %+v, %v", info, err)
		}
	}
	if n, _ := k.passed(30, signalAsk); n != 30 {
		t.Errorf("%d of 30 signals passed, want all: they count for no message limit", n)
	}
	if n, _ := come(t, g, "ann").passed(50, pulse); n != 50 {
		t.Errorf("%d of 50 heartbeats on another connection passed, want all", n)
	}
	until(t, patience, func() time.Duration { return k.verdict(pulse) }, func(d time.Duration) bool { return d == 0 })
}

func TestWhoWantsNoAcksHearsOfTheLimitOnceASecond(t *testing.T) {
	h := open(t, limited(t))
	var heard []string
	quickly := func() bool {
		k := come(t, h.mesh.Gateways()[0], "ann")
		k.passed(100, pulse)
		until(t, patience, func() time.Duration { return k.verdict(pulse) }, func(d time.Duration) bool { return d > 500*time.Millisecond })
		begun := time.Now()
		for range 20 { // within the half second in which none passes
			k.say(`{"event":"heartbeat"}`)
		}
		k.say(`{"id":9,"event":"heartbeat"}`)
		heard = []string{k.hear()}
		for !strings.HasPrefix(heard[len(heard)-1], `{"ack":9,`) {
			heard = append(heard, k.hear())
		}
		return time.Since(begun) < 500*time.Millisecond
	}
	until(t, patience, quickly, func(ok bool) bool { return ok })
	if len(heard) != 2 {
		t.Fatalf("heard %q, want an error and an ack", heard)
	}
	for i, want := range []string{
		`{"event":"error","data":{"code":"rate_limited","message":"<text>","retryAfterMs":"<number>"}}`,
		`{"ack":9,"error":{"code":"rate_limited","message":"<text>","retryAfterMs":"<number>"}}`,
	} {
		if err := like(heard[i], want); err != nil {
			t.Error(err)
		}
	}
}

func TestAConnectionMaySendThirtySignalsASecond(t *testing.T) {
	h := open(t, limited(t))
	k := come(t, h.mesh.Gateways()[0], "ann")
	begun := time.Now()
	n, retry := k.passed(90, signalAsk)
	if back := int(time.Since(begun)*30/time.Second) + 1; n < 60 || n > 60+back {
		t.Errorf("%d of 90 signals passed in %v, want 60 and 30 each second", n, time.Since(begun))
	}
	if retry > 34*time.Millisecond {
		t.Errorf("it may be tried again after %v, want at most 34 ms", retry)
	}
	if n, _ := k.passed(50, pulse); n != 50 {
		t.Errorf("%d of 50 heartbeats passed, want all: signals count for no message limit", n)
	}
}

func TestAFloodIsClosed(t *testing.T) {
	h := open(t, limited(t))
	for name, c := range map[string]struct {
		ask   string
		tries int // that are not yet a flood
	}{
		"of messages":            {`{"event":"heartbeat"}`, 300},
		"of events to be stored": {`{"event":"publish","data":{"room":"lobby:1","event":"e","durable":true}}`, 300},
		"of signals":             {`{"event":"publish","data":{"room":"lobby:1","event":"e"}}`, 600},
	} {
		t.Run(name, func(t *testing.T) {
			kept, ended := come(t, h.mesh.Gateways()[0], "ann "+name), come(t, h.mesh.Gateways()[0], "bob "+name)
			for range c.tries - 1 {
				kept.say("%s", c.ask)
				ended.say("%s", c.ask)
			}
			kept.say("%s", `{"id":1,`+c.ask[1:]) // its ack shows that it was read
			for !strings.HasPrefix(kept.hear(), `{"ack":1,`) {
			}
			ended.say("%s", c.ask)
			ended.say("%s", c.ask)
			ended.ends(4429)
		})
	}
}

func TestAUserMaySend600MessagesAMinuteOnAllGatewaysTogether(t *testing.T) {
	cfg := limited(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	begun := time.Now()
	passed := 0
	var last time.Duration
	for i := range 8 {
		n, retry := come(t, h.mesh.Gateways()[i%2], "ann").passed(95, pulse)
		passed, last = passed+n, retry
	}
	back := int(time.Since(begun)/(100*time.Millisecond)) + 1
	if passed < 590 || passed > 600+back {
		t.Errorf("%d of 760 passed in %v, want 600 and ten a second", passed, time.Since(begun))
	}
	if last == 0 || last > time.Minute {
		t.Errorf("the last may be tried again after %v", last)
	}
	if n, _ := come(t, h.mesh.Gateways()[0], "bob").passed(50, pulse); n != 50 {
		t.Errorf("%d of bob's 50 passed, want all", n)
	}
}

func TestASilentRatelimitLetsPassWhatTheConnectionMaySend(t *testing.T) {
	cfg := limited(t)
	cfg.Without = []string{"ratelimit"}
	cfg.Gateway.Admin = true
	cfg.Gateways = 2
	h := open(t, cfg)
	var g *gateway.Server
	for i := range 8 {
		g = h.mesh.Gateways()[i%2]
		if n, _ := come(t, g, "ann").passed(95, pulse); n != 95 {
			t.Errorf("connection %d: %d of 95 passed, want all", i, n)
		}
	}
	if n := sum(metrics(t, g), "hubmesh_gateway_asks_total", `asked="ratelimit"`, `result="open"`); n < 700 {
		t.Errorf("%v messages were counted as let pass, want about 760", n)
	}
	k := come(t, g, "ann")
	begun := time.Now()
	n, _ := k.passed(110, pulse)
	if back := int(time.Since(begun)/(600*time.Millisecond)) + 1; n < 100 || n > 100+back {
		t.Errorf("%d of 110 on one connection passed in %v, want 100 and one each 600 ms", n, time.Since(begun))
	}
}
