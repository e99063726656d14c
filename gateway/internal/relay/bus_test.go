package relay

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// patience bounds everything that a test waits for.
const patience = time.Minute

// plain spells an event as its parts, apart from its time.
type plain struct{}

func (plain) Spell(e frame.Event) []door.Packet {
	return []door.Packet{{Data: fmt.Appendf(nil, "%s %s %q binary=%v from=%q @%d", e.Room, e.Name, e.Data, e.Binary, e.From, e.Offset)}}
}

// lines keeps the messages of a log.
type lines struct {
	mu   *sync.Mutex
	said *[]string
}

func newLines() lines { return lines{&sync.Mutex{}, &[]string{}} }

func (lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l lines) WithGroup(string) slog.Handler          { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.said = append(*l.said, r.Message)
	return nil
}

func (l lines) count(prefix string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range *l.said {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// bus is a relay at work and a backend beside it.
type bus struct {
	*Relay
	backend *nats.Conn
	js      jetstream.JetStream
	reg     *prometheus.Registry
	said    lines
}

// gateway is the id of every relay here.
const gateway = "g1"

// newBus runs a relay over nc until the test ends. change may alter its
// Config.
func newBus(t *testing.T, nc *nats.Conn, change func(*Config)) *bus {
	t.Helper()
	b := &bus{backend: nc, reg: prometheus.NewRegistry(), said: newLines()}
	asker, err := natsconn.NewAsker(nc)
	if err != nil {
		t.Fatal(err)
	}
	if b.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Gateway: gateway, Follow: follow.Config{Silence: 50 * time.Millisecond}}
	if change != nil {
		change(&cfg)
	}
	rooms := room.New(func(p []door.Packet) []byte { return p[0].Data })
	b.Relay, err = Listen(t.Context(), cfg, nc, asker, subject.Tree{}, rooms, meter.New(b.reg), slog.New(b.said))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	for _, serve := range []func(context.Context) error{asker.Serve, b.Serve} {
		wg.Go(func() {
			if err := serve(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return b
}

// mesh is a bus over one server, with streams as set up by default or as cfg
// says.
func mesh(t *testing.T, cfg store.Config) *bus {
	t.Helper()
	nc := natstest.Conn(t, natstest.Server(t))
	setup(t, nc, cfg)
	return newBus(t, nc, nil)
}

func setup(t *testing.T, nc *nats.Conn, cfg store.Config) {
	t.Helper()
	if err := store.Setup(t.Context(), nc, subject.Tree{}, cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// member is a connection in rooms.
func (b *bus) member(id string, rooms ...string) *room.Member {
	m := &room.Member{ID: id, Profile: plain{}, Outbox: room.NewOutbox()}
	b.rooms.Add(m, rooms, func(frame.Position) []*room.Line { return nil })
	return m
}

// hear waits for the next n lines of a member, or its end.
func hear(t *testing.T, m *room.Member, n int) (heard []string) {
	t.Helper()
	late := time.After(patience)
	for len(heard) < n {
		lines, _, over := m.Outbox.Take(nil, 1<<20)
		for _, l := range lines {
			heard = append(heard, string(l))
		}
		if over || len(heard) >= n {
			break
		}
		if len(lines) > 0 {
			continue
		}
		select {
		case <-m.Outbox.Wake():
		case <-late:
			t.Fatalf("%s heard %q, want %d lines", m.ID, heard, n)
		}
	}
	return heard
}

func wantHeard(t *testing.T, m *room.Member, want ...string) {
	t.Helper()
	if got := hear(t, m, len(want)); !slices.Equal(got, want) {
		t.Errorf("%s heard\n%s\nwant\n%s", m.ID, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// await asks again and again for what nobody is told of.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// put stores an event as a backend does and returns its offset.
func (b *bus) put(t *testing.T, m *nats.Msg) uint64 {
	t.Helper()
	ack, err := b.js.PublishMsg(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// say publishes m and returns when NATS has it.
func (b *bus) say(t *testing.T, m *nats.Msg) {
	t.Helper()
	if err := b.backend.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := b.backend.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
}

// counted is how often something was dropped.
func (b *bus) counted(t *testing.T, why meter.Drop) int {
	t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "hubmesh_gateway_dropped_total" && l.GetValue() == string(why) {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	t.Fatalf("no metric says what is dropped as %s", why)
	return 0
}
