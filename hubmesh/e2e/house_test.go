package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

const secret = "a secret that is long enough for HS256"

// house is a mesh that a story happens in. It ends with the test.
type house struct {
	t    testing.TB
	mesh *mesh.Mesh
	nc   *nats.Conn // a backend's
	js   jetstream.JetStream
	stop func()

	registry *prometheus.Registry // of all its services
}

// config is a mesh with short times and no limits that a story would meet, on
// any ports and in a folder of the test's own.
func config(t testing.TB) mesh.Config {
	t.Helper()
	plenty := limit.Limit{Count: 1 << 20, Period: time.Second, Burst: 1 << 20}
	return mesh.Config{
		Dir: t.TempDir(), NATSListen: "127.0.0.1:0",
		Store:     store.Config{EventMaxPerRoom: 100_000, EventMaxBytes: 1 << 30},
		Authz:     authz.Config{Secret: secret, Open: []string{"lobby"}},
		Ratelimit: ratelimit.Config{UserMessages: plenty},
		Gateway: gateway.Config{
			Listen: "127.0.0.1:0", Drain: 2 * time.Second,
			LeaseTTL: 2 * time.Second, LeaseRenew: 200 * time.Millisecond, LeaseWatch: -1,
			Follow:   follow.Config{Silence: 200 * time.Millisecond},
			Messages: plenty, Signals: plenty, User: plenty,
		},
	}
}

// open starts a mesh.
func open(t testing.TB, cfg mesh.Config) *house {
	t.Helper()
	kit := obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
	if os.Getenv("E2E_LOG") != "" {
		kit.Log = obs.Logger(os.Stderr, os.Getenv("E2E_LOG"), true)
	}
	m, err := mesh.Start(t.Context(), cfg, kit)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx) }()
	h := &house{t: t, mesh: m, registry: kit.Registry}
	h.stop = func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the mesh ended with %v", err)
		}
		h.stop = func() {}
	}
	t.Cleanup(func() { h.stop() })
	at := m.NATSURL()
	if at == "" {
		at = cfg.NATS.URL
	}
	h.nc, err = nats.Connect(at, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.nc.Close)
	// Without a bound nobody gives up an ack that is lost with its leader.
	if h.js, err = jetstream.New(h.nc, jetstream.WithPublishAsyncTimeout(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	return h
}

// remote lets a wire of natstest lead to a server at an address.
type remote struct{ url string }

// InProcessConn dials it.
func (r remote) InProcessConn() (net.Conn, error) {
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", u.Host)
}

// addCuttable starts one more gateway, whose NATS the story can cut.
func (h *house) addCuttable() (*gateway.Server, *natstest.Wire) {
	h.t.Helper()
	w := natstest.NewWire(h.t, remote{h.mesh.NATSURL()})
	h.t.Cleanup(func() { h.stop() }) // before the wire ends: a gateway says goodbye through it
	login := h.mesh.Login(subject.Gateway)
	login.URL, login.Options = w.URL(), []nats.Option{nats.IgnoreDiscoveredServers()}
	g, err := h.mesh.AddGateway(h.t.Context(), login)
	if err != nil {
		h.t.Fatal(err)
	}
	return g, w
}

// token mints one for rooms of all types that have rights.
func token(t testing.TB, user string) string {
	t.Helper()
	tok, err := authz.Mint(secret, user, map[string]any{"rooms": []string{"task:*", "team:*"}}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// dial connects a user to a gateway. The connection ends with the test.
func dial(t testing.TB, g place, user string) *hub.Client {
	t.Helper()
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, user), Unread: 1 << 16})
	if err != nil {
		t.Fatalf("dial %s: %v", user, err)
	}
	t.Cleanup(func() { _ = c.Cut() })
	return c
}

// enter subscribes to a room and returns where it was entered.
func enter(t testing.TB, c *hub.Client, room hub.Room) hub.Entered {
	t.Helper()
	in, err := c.Subscribe(t.Context(), room)
	if err != nil || len(in.Rooms) != 1 {
		t.Fatalf("subscribe %s: %+v, %v", room.Room, in, err)
	}
	return in.Rooms[0]
}

// event publishes a durable event as a backend would, and returns its offset.
func (h *house) event(room string, n int) uint64 {
	h.t.Helper()
	r, err := subject.ParseRoom(room)
	if err != nil {
		h.t.Fatal(err)
	}
	m := nats.NewMsg(subject.Tree{}.Event(r))
	m.Header.Set("Hub-Event", "test:event")
	m.Data = fmt.Appendf(nil, `{"n":%d}`, n)
	ack, err := h.js.PublishMsg(h.t.Context(), m)
	if err != nil {
		h.t.Fatalf("publish to %s: %v", room, err)
	}
	return ack.Sequence
}

// number is the n of an event that event published.
func number(t testing.TB, e hub.Event) int {
	t.Helper()
	var d struct{ N int }
	if err := json.Unmarshal(e.Data, &d); err != nil {
		t.Fatalf("read %s: %v", e.Raw, err)
	}
	return d.N
}

// hear waits for the next event with an offset.
func hear(t testing.TB, c *hub.Client) hub.Event {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e, ok := <-c.Events():
			if !ok {
				t.Fatalf("the connection ended: %v", c.Err())
			}
			if e.Offset != 0 {
				return e
			}
		case <-late.C:
			t.Fatalf("heard nothing for %v", patience)
		}
	}
}
