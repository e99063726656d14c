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
const patience = 20 * time.Second

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

func TestMembersHearTheLogInOrder(t *testing.T) {
	const events = 300
	b := mesh(t, store.Config{})
	ann, bob := b.member("ann", "task.1", "task.2"), b.member("bob", "task.2")
	var all, second []string
	for i := range events {
		id := i%3 + 1
		offset := b.put(t, &nats.Msg{
			Subject: fmt.Sprintf("hub.event.task.%d", id), Data: fmt.Appendf(nil, `{"n":%d}`, i),
			Header: nats.Header{"Hub-Event": {"task:update"}, "Hub-From": {"eve"}},
		})
		line := fmt.Sprintf("task:%d task:update %q binary=false from=\"eve\" @%d", id, fmt.Sprintf(`{"n":%d}`, i), offset)
		if id < 3 {
			all = append(all, line)
		}
		if id == 2 {
			second = append(second, line)
		}
	}
	wantHeard(t, ann, all...)
	wantHeard(t, bob, second...)
}

func TestWhatAnEventMeans(t *testing.T) {
	cases := map[string]struct {
		header nats.Header
		data   string
		want   string
	}{
		"a payload alone is a message":     {nil, `1`, `task:a@b message "1" binary=false from=""`},
		"the content type may be told":     {nats.Header{"Content-Type": {"application/json"}}, ` null `, `task:a@b message " null " binary=false from=""`},
		"bytes are kept as they are":       {nats.Header{"Content-Type": {"application/octet-stream"}}, "\xff\x00", `task:a@b message "\xff\x00" binary=true from=""`},
		"bytes may be none":                {nats.Header{"Content-Type": {"application/octet-stream"}}, "", `task:a@b message "" binary=true from=""`},
		"a name and a user":                {nats.Header{"Hub-Event": {"a:ü"}, "Hub-From": {"ann@example.com"}}, `"x"`, `task:a@b a:ü "\"x\"" binary=false from="ann@example.com"`},
		"names of the server are no fault": {nats.Header{"Hub-Event": {"presence:update"}}, `{}`, `task:a@b presence:update "{}" binary=false from=""`},
	}
	b := mesh(t, store.Config{})
	m := b.member("m", "task.a=40b")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			offset := b.put(t, &nats.Msg{Subject: "hub.event.task.a=40b", Header: c.header, Data: []byte(c.data)})
			wantHeard(t, m, fmt.Sprintf("%s @%d", c.want, offset))
			b.say(t, &nats.Msg{Subject: "hub.live.task.a=40b", Header: c.header, Data: []byte(c.data)})
			wantHeard(t, m, c.want+" @0")
		})
	}
}

// TestWhatIsNoEventIsDropped sends each thing twice, as an event and as a
// signal, and then an event that shows that nothing of it was heard.
func TestWhatIsNoEventIsDropped(t *testing.T) {
	named := func(name string) nats.Header { return nats.Header{"Hub-Event": {name}} }
	typed := func(name string) nats.Header { return nats.Header{"Content-Type": {name}} }
	cases := map[string]struct {
		room   string
		header nats.Header
		data   string
		why    meter.Drop
	}{
		"no payload":                     {"task.1", nil, "", meter.NotJSON},
		"half of an object":              {"task.1", nil, "{", meter.NotJSON},
		"two values":                     {"task.1", nil, "1 2", meter.NotJSON},
		"broken UTF-8 in a text":         {"task.1", nil, "\"\xff\"", meter.NotJSON},
		"an empty name":                  {"task.1", named(""), "1", meter.BadName},
		"a name with an empty part":      {"task.1", named("a::b"), "1", meter.BadName},
		"a name with a control letter":   {"task.1", named("a\tb"), "1", meter.BadName},
		"a name that is too long":        {"task.1", named(strings.Repeat("x", 129)), "1", meter.BadName},
		"a name of broken UTF-8":         {"task.1", named("\xff"), "1", meter.BadName},
		"a user of broken UTF-8":         {"task.1", nats.Header{"Hub-From": {"\xff"}}, "1", meter.BadName},
		"another content type":           {"task.1", typed("text/plain"), "1", meter.BadType},
		"a type that is no room's":       {"Task.1", nil, "1", meter.NotRoom},
		"an id that need not be escaped": {"task.=31", nil, "1", meter.NotRoom},
		"an id escaped in large letters": {"task.a=2Eb", nil, "1", meter.NotRoom},
		"an id that is not escaped":      {"task.a@b", nil, "1", meter.NotRoom},
		"an id with a control letter":    {"task.=00", nil, "1", meter.NotRoom},
		"an id of broken UTF-8":          {"task.=ff", nil, "1", meter.NotRoom},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := mesh(t, store.Config{})
			m := b.member("m", "task.1", "task.a=40b", c.room)
			for range 3 {
				b.put(t, &nats.Msg{Subject: "hub.event." + c.room, Header: c.header, Data: []byte(c.data)})
				b.say(t, &nats.Msg{Subject: "hub.live." + c.room, Header: c.header, Data: []byte(c.data)})
			}
			offset := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("1")})
			wantHeard(t, m, fmt.Sprintf(`task:1 message "1" binary=false from="" @%d`, offset))
			await(t, "six are counted", func() bool { return b.counted(t, c.why) == 6 })
			if n := b.said.count("relay: not an event"); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
		})
	}
}

func TestWhoIsExceptedDoesNotHear(t *testing.T) {
	b := mesh(t, store.Config{})
	ann, bob := b.member("g1-1", "task.1"), b.member("g1-2", "task.1")
	first := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Header: nats.Header{"Hub-Except": {"g1-1"}}, Data: []byte("1")})
	second := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("2")})
	event := `task:1 message "%d" binary=false from="" @%d`
	wantHeard(t, ann, fmt.Sprintf(event, 2, second))
	wantHeard(t, bob, fmt.Sprintf(event, 1, first), fmt.Sprintf(event, 2, second))
	b.say(t, &nats.Msg{Subject: "hub.live.task.1", Header: nats.Header{"Hub-Except": {"g1-2"}}, Data: []byte("3")})
	b.say(t, &nats.Msg{Subject: "hub.live.task.1", Data: []byte("4")})
	wantHeard(t, ann, fmt.Sprintf(event, 3, 0), fmt.Sprintf(event, 4, 0))
	wantHeard(t, bob, fmt.Sprintf(event, 4, 0))
}

func TestOneConnectionIsSpokenTo(t *testing.T) {
	b := mesh(t, store.Config{})
	ann := b.member("g1-1")
	ask := func(conn, data string) (body, fault string) {
		t.Helper()
		m, err := b.backend.RequestMsg(&nats.Msg{Subject: "hub.conn.g1." + conn, Header: nats.Header{"Hub-Event": {"hello"}}, Data: []byte(data)}, patience)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data), m.Header.Get("Hub-Error")
	}
	if body, fault := ask("g1-1", `{}`); body != "{}" || fault != "" {
		t.Errorf("answer %q, %q; want {}", body, fault)
	}
	b.say(t, &nats.Msg{Subject: "hub.conn.g1.g1-1", Data: []byte("1")})
	wantHeard(t, ann, ` hello "{}" binary=false from="" @0`, ` message "1" binary=false from="" @0`)
	if _, fault := ask("g1-2", `{}`); fault != "gone" {
		t.Errorf("nobody is there: %q, want gone", fault)
	}
	if body, fault := ask("g1-1", `{`); fault != "invalid" || body == "" {
		t.Errorf("no JSON: %q %q, want invalid and a text", fault, body)
	}
	ann.Outbox.Finish(frame.Restart)
	if _, fault := ask("g1-1", `{}`); fault != "gone" {
		t.Errorf("it is being closed: %q, want gone", fault)
	}
	if _, err := b.backend.Request("hub.conn.g2.g2-1", nil, patience); err == nil {
		t.Error("another gateway's connection was answered for")
	}
}
