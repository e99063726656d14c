package here_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// house is a Here at work over a real NATS, and presence in the test's hand: it
// answers what the test lets it answer.
type house struct {
	*here.Here
	t        *testing.T
	nc       *nats.Conn // presence's
	js       jetstream.JetStream
	presence *service
}

// newHouse returns one in which presence answers, unless it is silent from the
// start.
func newHouse(t *testing.T, wait time.Duration) *house {
	t.Helper()
	s, nc := natstest.Mesh(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	own := natstest.Conn(t, s)
	asker, err := natsconn.NewAsker(own)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	m := meter.New(prometheus.NewRegistry())
	asks := ask.New(ask.Config{ReportWait: time.Second}, asker, subject.Tree{}, m, log)
	framing := func(p []door.Packet) []byte { return p[0].Data }
	h := &house{t: t, nc: nc, js: js, Here: here.New(here.Config{Gateway: "g1", Now: time.Now, Wait: wait, Follow: follow.Config{Silence: 50 * time.Millisecond}}, asks, subject.Tree{}, framing, m, log)}
	if err := h.Listen(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var serving sync.WaitGroup
	for _, serve := range []func(context.Context) error{asker.Serve, h.Serve} {
		serving.Go(func() {
			if err := serve(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); serving.Wait() })
	return h
}

// service is presence as far as a gateway sees it: it stores what is reported,
// and says who is in rooms.
type service struct {
	mu      sync.Mutex // guards all below
	reports []wire.PresenceReport
	stands  map[string]wire.PresenceStand
	asked   []wire.PresenceRoomAsk
	raw     int // bytes of the longest report
	more    chan struct{}

	failing bool                                               // it answers that nothing could be stored
	hold    chan struct{}                                      // questions about rooms wait for it
	room    func(wire.PresenceRoomAsk) wire.PresenceRoomAnswer // what is said of a room
}

// begins lets presence answer from now on.
func (h *house) begins() *service {
	h.t.Helper()
	p := &service{stands: map[string]wire.PresenceStand{}, more: make(chan struct{})}
	h.presence = p
	h.answers(subject.Tree{}.Report(), func(m *nats.Msg) any { return p.report(h.t, m.Data) })
	h.answers(subject.Tree{}.Svc(subject.Presence, "room"), func(m *nats.Msg) any { return p.who(h.t, m.Data) })
	if err := h.nc.FlushTimeout(patience); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// answers has questions answered, each by itself.
func (h *house) answers(subj string, answer func(*nats.Msg) any) {
	h.t.Helper()
	var answering sync.WaitGroup
	sub, err := h.nc.Subscribe(subj, func(m *nats.Msg) {
		answering.Go(func() {
			body, err := json.Marshal(answer(m))
			if err == nil {
				err = m.Respond(body)
			}
			if err != nil {
				h.t.Error(err)
			}
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = sub.Unsubscribe(); answering.Wait() })
}

func (p *service) report(t *testing.T, body []byte) (a wire.PresenceReported) {
	var r wire.PresenceReport
	if err := json.Unmarshal(body, &r); err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reports = append(p.reports, r)
	p.raw = max(p.raw, len(body))
	for _, s := range r.Connections {
		if p.failing {
			a.Failed = append(a.Failed, s.Connection)
			continue
		}
		if was := p.stands[s.Connection]; s.Turn > was.Turn {
			p.stands[s.Connection] = s
		}
	}
	a.Sequence = uint64(len(p.reports))
	close(p.more)
	p.more = make(chan struct{})
	return a
}

func (p *service) who(t *testing.T, body []byte) wire.PresenceRoomAnswer {
	var q wire.PresenceRoomAsk
	if err := json.Unmarshal(body, &q); err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	p.asked = append(p.asked, q)
	hold, room := p.hold, p.room
	close(p.more)
	p.more = make(chan struct{})
	p.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return room(q)
}

// until waits until what presence has heard is enough. It is asked under mu.
func (p *service) until(t *testing.T, what string, enough func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		ok, more := enough(), p.more
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-more:
		case <-late.C:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// told is where HUB_TOLD is now, in the words of an answer about a room.
func (h *house) told() (epoch string, seq uint64) {
	h.t.Helper()
	st, err := follow.NewReader(h.nc, follow.Config{Stream: subject.Tree{}.Stream(subject.Tellings)}).State(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return st.Epoch, st.Last
}

// word stores what is told of a user in task:42, and returns where.
func (h *house) word(user string, what wire.Change) uint64 {
	h.t.Helper()
	body, err := json.Marshal(wire.PresenceTold{PresenceUpdate: wire.PresenceUpdate{Room: "task:42", User: user, Status: wire.Online, Change: what}, Users: 3})
	if err != nil {
		h.t.Fatal(err)
	}
	ack, err := h.js.Publish(h.t.Context(), subject.Tree{}.Tell(task(), user), body)
	if err != nil {
		h.t.Fatal(err)
	}
	return ack.Sequence
}

func task() subject.Room { return subject.Room{Type: "task", ID: "42"} }

// client is a connection, and what it hears.
type client struct {
	*here.Conn
	t   *testing.T
	out *room.Outbox
}

type profile struct{}

func (profile) Spell(e frame.Event) []door.Packet {
	return []door.Packet{{Data: fmt.Appendf(nil, "%s %s %s", e.Name, e.Room, e.Data)}}
}

func (h *house) open(id, user string) *client {
	out := room.NewOutbox()
	c := h.Open(here.Who{ID: id, User: user, Door: "native", IP: "192.0.2.1"}, &room.Member{ID: id, Profile: profile{}, Outbox: out})
	return &client{c, h.t, out}
}

// appear puts a connection into the roster of task:42, and waits until it is
// known who is there.
func (h *house) appear(c *client) *here.Stay {
	h.t.Helper()
	return <-h.appears(c)
}

func (h *house) appears(c *client) <-chan *here.Stay {
	known := make(chan *here.Stay, 1)
	h.Appear(c.Conn, []subject.Room{task()}, func(stays []*here.Stay) { known <- stays[0] })
	return known
}

// hears waits for the next message.
func (c *client) hears(parts ...string) {
	c.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if lines, _, _ := c.out.Take(nil, 1); len(lines) > 0 {
			for _, part := range parts {
				if !strings.Contains(string(lines[0]), part) {
					c.t.Fatalf("heard %s, want %q", lines[0], parts)
				}
			}
			return
		}
		select {
		case <-c.out.Wake():
		case <-late.C:
			c.t.Fatalf("heard nothing for %v, want %q", patience, parts)
		}
	}
}

// ends waits for the end.
func (c *client) ends(want frame.End) {
	c.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if _, end, over := c.out.Take(nil, 1); over {
			if end != want {
				c.t.Fatalf("it ended with %v, want %v", end, want)
			}
			return
		}
		select {
		case <-c.out.Wake():
		case <-late.C:
			c.t.Fatalf("it goes on after %v, want %v", patience, want)
		}
	}
}
