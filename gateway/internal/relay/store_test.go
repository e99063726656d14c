package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// outgoing is an event of ann's for task:1.
func outgoing(id, data string) Outgoing {
	return Outgoing{
		Room: subject.Room{Type: "task", ID: "1"}, ID: id,
		Event: frame.Event{Name: "note", Data: []byte(data), From: "ann"},
	}
}

// stored is an answer of Store.
type stored struct {
	offset uint64
	p      frame.Problem
}

// store has an event stored and waits for the answer, and no second one.
func (b *bus) store(t *testing.T, o Outgoing) stored {
	t.Helper()
	answers := make(chan stored, 2)
	b.Store(o, func(offset uint64, p frame.Problem) { answers <- stored{offset, p} })
	select {
	case a := <-answers:
		if len(answers) > 0 {
			t.Error("answered twice")
		}
		return a
	case <-time.After(patience):
		t.Fatalf("%s was not answered", o.ID)
		return stored{}
	}
}

func TestAnEventOfAClientIsStored(t *testing.T) {
	b := mesh(t, store.Config{})
	heard, err := b.backend.SubscribeSync("hub.event.>")
	if err == nil {
		err = b.backend.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	o := outgoing("g1-7.1", `"x"`)
	o.Except = "g1-7"
	first, second := b.store(t, o), b.store(t, outgoing("g1-7.2", `"y"`))
	if first.p.Is() || second.p.Is() || first.offset == 0 || second.offset != first.offset+1 {
		t.Errorf("answers %+v and %+v, want one offset after the other", first, second)
	}
	m, err := heard.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	want := nats.Header{"Hub-Event": {"note"}, "Hub-From": {"ann"}, "Hub-Except": {"g1-7"}, "Nats-Msg-Id": {"g1-7.1"}}
	if m.Subject != "hub.event.task.1" || string(m.Data) != `"x"` || fmt.Sprint(m.Header) != fmt.Sprint(want) {
		t.Errorf("published %s %v %q, want hub.event.task.1 %v \"x\"", m.Subject, m.Header, m.Data, want)
	}
	o = outgoing("", "\xff")
	o.Event.Binary = true
	b.store(t, o)
	if _, err = heard.NextMsg(patience); err == nil {
		m, err = heard.NextMsg(patience)
	}
	if err != nil || m.Header.Get("Content-Type") != "application/octet-stream" || string(m.Data) != "\xff" {
		t.Errorf("published %v %q, %v; want bytes", m.Header, m.Data, err)
	}
}

func TestASignalOfAClientIsPublished(t *testing.T) {
	b := mesh(t, store.Config{})
	m := b.member("m", "task.1")
	if p := b.Signal(outgoing("", `1`)); p.Is() {
		t.Errorf("problem %+v", p)
	}
	wantHeard(t, m, `task:1 note "1" binary=false from="ann" @0`)
	if p := b.Signal(outgoing("", strings.Repeat("x", 3<<20))); p.Code != wire.TooLarge {
		t.Errorf("3 MiB: problem %+v, want too_large", p)
	}
}

func TestAnIdIsStoredOnce(t *testing.T) {
	b := mesh(t, store.Config{})
	first := b.store(t, outgoing("key.ann.task.1.k", `1`))
	b.store(t, outgoing("other", `2`))
	if again := b.store(t, outgoing("key.ann.task.1.k", `1`)); again != first || again.p.Is() {
		t.Errorf("the same id again: %+v, want %+v", again, first)
	}
}

func TestWhatIsNeverStoredIsTold(t *testing.T) {
	cases := map[string]struct {
		stream func(*jetstream.StreamConfig)
		data   string
		want   wire.Code
	}{
		"more than NATS carries":      {func(*jetstream.StreamConfig) {}, strings.Repeat("x", 3<<20), wire.TooLarge},
		"more than the stream takes":  {func(c *jetstream.StreamConfig) { c.MaxMsgSize = 100 }, strings.Repeat("x", 200), wire.TooLarge},
		"a stream that takes no more": {func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew }, "1", wire.Unavailable},
		"a room that takes no more": {func(c *jetstream.StreamConfig) {
			c.MaxMsgsPerSubject, c.Discard, c.DiscardNewPerSubject = 1, jetstream.DiscardNew, true
		}, "1", wire.Unavailable},
		"a stream without so many bytes": {func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 200, jetstream.DiscardNew }, strings.Repeat("x", 150), wire.Unavailable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, withStream(t, c.stream), nil)
			b.put(t, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("1")})
			begin := time.Now()
			if a := b.store(t, outgoing("x", c.data)); a.p.Code != c.want || a.offset != 0 {
				t.Errorf("answer %+v, want %s", a, c.want)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("it took %v: it was tried again", took)
			}
		})
	}
}

// withStream is a connection to a server whose stream of events is not as ours.
func withStream(t *testing.T, change func(*jetstream.StreamConfig)) *nats.Conn {
	t.Helper()
	nc := natstest.Conn(t, natstest.Server(t))
	cfg := jetstream.StreamConfig{
		Name: "HUB_EVENTS", Subjects: []string{"hub.event.*.*"}, AllowDirect: true,
		RePublish: &jetstream.RePublish{Source: "hub.event.>", Destination: "hub.stored.>"},
	}
	change(&cfg)
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(t.Context(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func TestWithoutNATSNothingIsStored(t *testing.T) {
	s := natstest.Server(t)
	backend := natstest.Conn(t, s)
	setup(t, backend, store.Config{})
	w := natstest.NewWire(t, s)
	nc := w.Conn(t)
	b := newBus(t, nc, nil)
	b.backend = backend
	away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED)
	w.Cut()
	<-away
	begin := time.Now()
	if a := b.store(t, outgoing("x", "1")); a.p.Code != wire.Unavailable {
		t.Errorf("answer %+v, want unavailable", a)
	}
	if p := b.Signal(outgoing("", "1")); p.Code != wire.Unavailable {
		t.Errorf("signal: problem %+v, want unavailable", p)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v, want at once", took)
	}
	w.Mend()
	<-back
	// What was refused was not stored later: it is not taken for a repetition.
	m := b.member("m", "task.1")
	a := b.store(t, outgoing("x", "2"))
	wantHeard(t, m, fmt.Sprintf(`task:1 note "2" binary=false from="ann" @%d`, a.offset))
}

func TestWhatNobodyStoresIsUnavailableAfterAWhile(t *testing.T) {
	const wait = 600 * time.Millisecond
	nc := withStream(t, func(c *jetstream.StreamConfig) {
		c.Subjects, c.RePublish = []string{"hub.event.task.*"}, nil
	})
	b := newBus(t, nc, func(c *Config) { c.Store, c.Attempt = wait, 100*time.Millisecond })
	silent, noStream, foreign := outgoing("x", "1"), outgoing("x", "1"), outgoing("x", "1")
	silent.Room.Type, noStream.Room.Type, foreign.Room.Type = "silent", "none", "foreign"
	for subj, answer := range map[string]func(*nats.Msg){
		"hub.event.silent.1":  func(*nats.Msg) {},
		"hub.event.foreign.1": func(m *nats.Msg) { _ = m.Respond([]byte("hello")) },
	} {
		if _, err := b.backend.Subscribe(subj, answer); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.backend.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o     Outgoing
		least time.Duration
	}{
		"silence":          {silent, wait / 3},
		"no stream":        {noStream, wait / 3},
		"a foreign answer": {foreign, 0},
	} {
		begin := time.Now()
		if a := b.store(t, c.o); a.p.Code != wire.Unavailable {
			t.Errorf("%s: answer %+v, want unavailable", name, a)
		}
		if took := time.Since(begin); took < c.least || took > wait+patience/2 {
			t.Errorf("%s: it took %v, want from %v to %v", name, took, c.least, wait)
		}
	}
}

// TestAnEventIsStoredOnceThroughLeadersThatGo stores while the leader of three
// steps down and then stops: every event is answered with its offset, and is
// in the log once.
func TestAnEventIsStoredOnceThroughLeadersThatGo(t *testing.T) {
	const events, mine = 60, 1 // the node that the gateway is connected to
	nodes := natstest.Cluster(t, 3)
	backend := nodes.Conn(0)
	setup(t, backend, store.Config{Replicas: 3})
	b := newBus(t, nodes.Conn(mine), func(c *Config) { c.Attempt, c.Store = 500*time.Millisecond, patience })
	offsets := map[string]uint64{}
	for i := range events {
		switch i {
		case events / 3:
			nodes.StepDown("HUB_EVENTS")
		case 2 * events / 3:
			for nodes.Leader("HUB_EVENTS") == mine { // without NATS nothing is tried
				nodes.StepDown("HUB_EVENTS")
			}
			nodes.Stop(nodes.Leader("HUB_EVENTS"))
		}
		id := fmt.Sprintf("e%d", i)
		a := b.store(t, outgoing(id, "1"))
		if a.p.Is() {
			t.Fatalf("%s: %+v", id, a.p)
		}
		offsets[id] = a.offset
	}
	found := map[string]uint64{}
	for _, e := range entries(t, backend) {
		id := e.Header.Get(nats.MsgIdHdr)
		if found[id] != 0 {
			t.Errorf("%s is stored at %d and at %d", id, found[id], e.Seq)
		}
		found[id] = e.Seq
	}
	for id, offset := range offsets {
		if found[id] != offset {
			t.Errorf("%s was answered with %d and is at %d", id, offset, found[id])
		}
	}
}

// entries reads all of the log. A page from a replica that is behind is short.
func entries(t *testing.T, nc *nats.Conn) (all []follow.Entry) {
	t.Helper()
	reader := follow.NewReader(nc, follow.Config{Stream: "HUB_EVENTS"})
	st, err := reader.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for upTo := uint64(0); ; {
		page, err := reader.Read(t.Context(), st.Epoch, "", upTo, st.Last)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all, upTo = append(all, page...), page[len(page)-1].Seq
	}
}
