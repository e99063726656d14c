package ratelimit_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func quiet() obs.Kit {
	return obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
}

// clock is a time that a test moves. Safe for concurrent use.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// start runs a replica until the test ends or end is called.
func start(tb testing.TB, nc *nats.Conn, cfg ratelimit.Config, kit obs.Kit) (server *ratelimit.Server, end func() error) {
	tb.Helper()
	server, err := ratelimit.Listen(tb.Context(), cfg, nc, kit)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	end = sync.OnceValue(func() error { cancel(); return <-served })
	tb.Cleanup(func() {
		if err := end(); err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return server, end
}

func take(ctx context.Context, nc *nats.Conn, ask wire.TakeAsk) (wire.TakeAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return natsconn.Call[wire.TakeAnswer](ctx, nc, subject.Tree{}.Svc(subject.Ratelimit, "take"), ask)
}

func TestTokensAreTakenAndComeBack(t *testing.T) {
	_, nc := natstest.Mesh(t)
	now := newClock()
	start(t, nc, ratelimit.Config{Now: now.Now}, quiet())
	const ann, bob = "user.messages/ann", "user.messages/bob=40example=2ecom"
	for i, s := range []struct {
		after time.Duration
		ask   wire.TakeAsk
		want  wire.TakeAnswer
	}{
		{0, wire.TakeAsk{Key: ann, Cost: 1}, wire.TakeAnswer{Granted: 1}},
		{0, wire.TakeAsk{Key: ann, Cost: 1, Want: 98}, wire.TakeAnswer{Granted: 99}},
		{0, wire.TakeAsk{Key: ann, Cost: 500}, wire.TakeAnswer{Granted: 500}},
		{0, wire.TakeAsk{Key: ann, Cost: 1, Want: 4}, wire.TakeAnswer{RetryAfterMs: 100}},
		{0, wire.TakeAsk{Key: ann, Cost: 601}, wire.TakeAnswer{RetryAfterMs: 60_000}},
		{99500 * time.Microsecond, wire.TakeAsk{Key: ann, Cost: 1}, wire.TakeAnswer{RetryAfterMs: 1}},
		{500 * time.Microsecond, wire.TakeAsk{Key: ann, Cost: 1, Want: 4}, wire.TakeAnswer{Granted: 1}},
		{time.Second, wire.TakeAsk{Key: ann, Cost: 2, Want: 1 << 40}, wire.TakeAnswer{Granted: 10}},
		{0, wire.TakeAsk{Key: bob, Cost: 600}, wire.TakeAnswer{Granted: 600}},
		{0, wire.TakeAsk{Key: bob, Cost: 600}, wire.TakeAnswer{RetryAfterMs: 60_000}},
		{time.Minute, wire.TakeAsk{Key: bob, Cost: 1, Want: 599}, wire.TakeAnswer{Granted: 600}},
	} {
		now.add(s.after)
		if got, err := take(t.Context(), nc, s.ask); err != nil || got != s.want {
			t.Fatalf("step %d: take %+v = %+v, %v, want %+v", i, s.ask, got, err, s.want)
		}
	}
}

func TestWhatIsNoAskIsInvalid(t *testing.T) {
	_, nc := natstest.Mesh(t)
	kit := quiet()
	start(t, nc, ratelimit.Config{}, kit)
	asks := map[string]any{
		"a body that is text":            "hello",
		"nothing":                        wire.TakeAsk{},
		"a key without an owner":         wire.TakeAsk{Key: "user.messages", Cost: 1},
		"an owner that is not escaped":   wire.TakeAsk{Key: "user.messages/ann@example.com", Cost: 1},
		"an owner that is a wildcard":    wire.TakeAsk{Key: "user.messages/>", Cost: 1},
		"a limit that nobody knows":      wire.TakeAsk{Key: "user.cakes/ann", Cost: 1},
		"a limit that is not shared":     wire.TakeAsk{Key: "connection.messages/ann", Cost: 1},
		"a cost of nothing":              wire.TakeAsk{Key: "user.messages/ann", Want: 1},
		"a cost below nothing":           wire.TakeAsk{Key: "user.messages/ann", Cost: -1},
		"a wish to give instead of take": wire.TakeAsk{Key: "user.messages/ann", Cost: 1, Want: -1},
	}
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			got, err := natsconn.Call[wire.TakeAnswer](t.Context(), nc, "hub.svc.ratelimit.take", ask)
			var fault *natsconn.Fault
			if !errors.As(err, &fault) || fault.Code != wire.Invalid || got.Granted != 0 {
				t.Errorf("take = %+v, %v, want invalid", got, err)
			}
		})
	}
	if got, want := counted(t, kit, "invalid"), float64(len(asks)-1); got != want { // the text never came that far
		t.Errorf("%v were counted as invalid, want %v", got, want)
	}
}

func TestRecordsExpireAndBadOnesAreWrittenOver(t *testing.T) {
	_, nc := natstest.Mesh(t)
	start(t, nc, ratelimit.Config{Now: newClock().Now}, quiet())
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), "HUB_QUOTA")
	if err != nil {
		t.Fatal(err)
	}
	const record = "user=2emessages.ann"
	full := func(want int) {
		t.Helper()
		if got, err := take(t.Context(), nc, wire.TakeAsk{Key: "user.messages/ann", Cost: 1, Want: 599}); err != nil || got.Granted != want {
			t.Fatalf("take = %+v, %v, want %d", got, err, want)
		}
	}
	full(600)
	full(0)
	stream, err := js.Stream(t.Context(), "KV_HUB_QUOTA")
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetLastMsgForSubject(t.Context(), "$KV.HUB_QUOTA."+record)
	if err != nil {
		t.Fatal(err)
	}
	if ttl, err := time.ParseDuration(m.Header.Get("Nats-TTL")); err != nil || ttl < time.Minute || ttl > 2*time.Minute {
		t.Errorf("the record lives for %q, want a minute to fill and a margin", m.Header.Get("Nats-TTL"))
	}
	if _, err := strconv.ParseInt(string(m.Data), 10, 64); err != nil {
		t.Errorf("the record is %q, want a time", m.Data)
	}
	if err := kv.Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	full(600)
	if _, err := kv.Put(t.Context(), record, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	full(600)
	full(0)
}

func TestAnotherLimitHolds(t *testing.T) {
	_, nc := natstest.Mesh(t)
	now := newClock()
	start(t, nc, ratelimit.Config{Now: now.Now, UserMessages: limit.Limit{Count: 5, Period: time.Second, Burst: 10}}, quiet())
	if got := drain(t, []*nats.Conn{nc}, 2); got != 10 {
		t.Errorf("%d were granted, want 10", got)
	}
	now.add(time.Second)
	if got := drain(t, []*nats.Conn{nc}, 2); got != 5 {
		t.Errorf("a second later %d were granted, want 5", got)
	}
	_, err := ratelimit.Listen(t.Context(), ratelimit.Config{UserMessages: limit.Limit{Count: 5}}, nc, quiet())
	if err == nil || !strings.Contains(err.Error(), "user.messages") {
		t.Errorf("Listen with a limit that never fills again: %v, want an error that names it", err)
	}
}
