package ask_test

import (
	"context"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	patience = 20 * time.Second
	short    = 80 * time.Millisecond // of waits that end in silence
)

// house is an Asker and the NATS on which it asks.
type house struct {
	*ask.Asker
	nc  *nats.Conn
	reg *prometheus.Registry
	end func()
}

func newHouse(t *testing.T, nc *nats.Conn, cfg ask.Config) house {
	t.Helper()
	asker, err := natsconn.NewAsker(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := asker.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	end := func() { cancel(); wg.Wait() }
	t.Cleanup(end)
	reg := prometheus.NewRegistry()
	return house{ask.New(cfg, asker, subject.Tree{}, meter.New(reg), slog.New(slog.DiscardHandler)), nc, reg, end}
}

// answers has what is asked on subj answered, and returns what comes in.
func (h house) answers(t *testing.T, subj string, answer *nats.Msg) (asked <-chan *nats.Msg) {
	t.Helper()
	came := make(chan *nats.Msg, 2)
	sub, err := h.nc.Subscribe(subj, func(m *nats.Msg) {
		came <- m
		if answer != nil {
			_ = m.RespondMsg(answer)
		}
	})
	if err == nil {
		err = h.nc.FlushTimeout(patience)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return came
}

// answered is any answer of an Asker.
type answered struct {
	out any
	p   frame.Problem
}

// put asks by question, and waits for the answer.
func put(t *testing.T, question func(answer func(any, frame.Problem))) answered {
	t.Helper()
	heard := make(chan answered, 2)
	question(func(out any, p frame.Problem) { heard <- answered{out, p} })
	select {
	case a := <-heard:
		return a
	case <-time.After(patience):
		t.Fatal("no answer came")
		return answered{}
	}
}

// counted is how many questions to who ended so.
func (h house) counted(t *testing.T, who meter.Asked, result meter.Result) int {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "hubmesh_gateway_asks_total" && maps.Equal(labels, map[string]string{"asked": string(who), "result": string(result)}) {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no metric counts %s %s", who, result)
	return 0
}

// service is a question to a service: where and what is asked, and what an
// answer is read as.
type service struct {
	who          meter.Asked
	subject      string
	put          func(func(any, frame.Problem))
	asks, answer string
	want         any
	optional     bool // nobody need answer
}

func services(a *ask.Asker) map[string]service {
	return map[string]service{
		"connect": {
			meter.Authz, "hub.svc.authz.connect",
			func(f func(any, frame.Problem)) {
				a.Connect(wire.ConnectAsk{Token: "t", Door: "native", IP: "192.0.2.1", Origin: "https://a"}, func(o wire.ConnectAnswer, p frame.Problem) { f(o, p) })
			},
			`{"token":"t","door":"native","ip":"192.0.2.1","origin":"https://a"}`,
			`{"allow":true,"user":"ann","new":1}`, wire.ConnectAnswer{Allow: true, User: "ann"}, false,
		},
		"join": {
			meter.Authz, "hub.svc.authz.join",
			func(f func(any, frame.Problem)) {
				a.Join(wire.JoinAsk{User: "ann", Connection: "g-1", Rooms: []string{"task:1"}}, func(o map[string]wire.RoomRights, p frame.Problem) { f(o, p) })
			},
			`{"user":"ann","connection":"g-1","rooms":["task:1"]}`,
			`{"rooms":{"task:1":{"allow":true,"can":["subscribe"]}}}`,
			map[string]wire.RoomRights{"task:1": {Allow: true, Can: []wire.Right{wire.Subscribe}}}, false,
		},
		"touched": {
			meter.Authz, "hub.svc.authz.touched",
			func(f func(any, frame.Problem)) {
				a.Touched(wire.TouchedAsk{After: wire.Marks{Policy: 1}, UpTo: wire.Marks{Policy: 2, Relations: 3}}, func(o wire.TouchedAnswer, p frame.Problem) { f(o, p) })
			},
			`{"after":{"policy":1},"upTo":{"policy":2,"relations":3}}`,
			`{"at":{"policy":2,"relations":4},"touched":[{"users":["ann"],"types":["task"]}]}`,
			wire.TouchedAnswer{At: wire.Marks{Policy: 2, Relations: 4}, Touched: []wire.Touched{{Users: []string{"ann"}, Types: []string{"task"}}}}, true,
		},
		"joins": {
			meter.Authz, "hub.svc.authz.joins",
			func(f func(any, frame.Problem)) {
				a.Joins(wire.JoinsAsk{AtLeast: wire.Marks{Relations: 4}, Asks: []wire.JoinAsk{{User: "ann", Connection: "g-1", Rooms: []string{"task:1"}}}}, func(o []wire.JoinAnswer, p frame.Problem) { f(o, p) })
			},
			`{"atLeast":{"relations":4},"asks":[{"user":"ann","connection":"g-1","rooms":["task:1"]}]}`,
			`{"answers":[{"rooms":{"task:1":{"allow":false}}}]}`,
			[]wire.JoinAnswer{{Rooms: map[string]wire.RoomRights{"task:1": {}}}}, true,
		},
		"take": {
			meter.Ratelimit, "hub.svc.ratelimit.take",
			func(f func(any, frame.Problem)) {
				a.Take(wire.TakeAsk{Key: "user.messages/ann", Cost: 1, Want: 4}, func(o wire.TakeAnswer, p frame.Problem) { f(o, p) })
			},
			`{"key":"user.messages/ann","cost":1,"want":4}`, `{"granted":3,"retryAfterMs":7}`, wire.TakeAnswer{Granted: 3, RetryAfterMs: 7}, false,
		},
		"gateways": {
			meter.Presence, "hub.svc.presence.gateways",
			func(f func(any, frame.Problem)) {
				a.Gateways(func(o wire.GatewaysAnswer, p frame.Problem) { f(o, p) })
			},
			`{}`, `{"gateways":{"g":{"connections":2,"startedAt":1,"at":2}}}`,
			wire.GatewaysAnswer{Gateways: map[string]wire.Lease{"g": {Connections: 2, StartedAt: 1, At: 2}}}, false,
		},
	}
}

func TestServicesAreAsked(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	h := newHouse(t, nc, ask.Config{})
	for name, s := range services(h.Asker) {
		t.Run(name, func(t *testing.T) {
			before := h.counted(t, s.who, meter.OK)
			asked := h.answers(t, s.subject, &nats.Msg{Data: []byte(s.answer)})
			a := put(t, s.put)
			if a.p.Is() || !reflect.DeepEqual(a.out, s.want) {
				t.Errorf("answer %+v, want %+v", a, s.want)
			}
			if body := string((<-asked).Data); body != s.asks {
				t.Errorf("asked %s, want %s", body, s.asks)
			}
			if n := h.counted(t, s.who, meter.OK) - before; n != 1 {
				t.Errorf("counted %d, want 1", n)
			}
		})
	}
}

// TestWhatIsNoAnswerOfAService has every service answer so; whoever asked
// hears unavailable and nothing of the answer.
func TestWhatIsNoAnswerOfAService(t *testing.T) {
	header := func(names ...string) nats.Header {
		h := nats.Header{}
		for i := 0; i < len(names); i += 2 {
			h.Set(names[i], names[i+1])
		}
		return h
	}
	cases := map[string]struct {
		answer *nats.Msg // nil: none
		nobody bool
		want   wire.Code
		text   string // of the problem, if it is the service's
		result meter.Result
	}{
		"nobody listens":           {nobody: true, want: wire.Unavailable, result: meter.Silent},
		"silence":                  {want: wire.Unavailable, result: meter.Silent},
		"an empty answer":          {answer: &nats.Msg{}, want: wire.Unavailable, result: meter.Silent},
		"no JSON":                  {answer: &nats.Msg{Data: []byte("hello")}, want: wire.Unavailable, result: meter.Silent},
		"another type of JSON":     {answer: &nats.Msg{Data: []byte(`[1]`)}, want: wire.Unavailable, result: meter.Silent},
		"broken UTF-8":             {answer: &nats.Msg{Data: []byte("{\"a\":\"\xff\"}")}, want: wire.Unavailable, result: meter.Silent},
		"a question that is wrong": {answer: &nats.Msg{Header: header("Hub-Error", "invalid", "Nats-Service-Error", "no such key")}, want: wire.Invalid, text: "no such key", result: meter.Refused},
		"a fault of the service's": {answer: &nats.Msg{Header: header("Hub-Error", "internal", "Nats-Service-Error", "secret")}, want: wire.Unavailable, result: meter.Refused},
		"a fault of someone's own": {answer: &nats.Msg{Header: header("Nats-Service-Error", "secret", "Nats-Service-Error-Code", "500")}, want: wire.Unavailable, result: meter.Refused},
	}
	nc := natstest.Conn(t, natstest.Server(t))
	h := newHouse(t, nc, ask.Config{DecideWait: short, TakeWait: short})
	for service, s := range services(h.Asker) {
		for name, c := range cases {
			t.Run(service+": "+name, func(t *testing.T) {
				if c.nobody && s.optional {
					c.want, c.result, c.text = wire.NoHandler, meter.Refused, "nobody answers "+s.subject
				}
				before := h.counted(t, s.who, c.result)
				if !c.nobody {
					h.answers(t, s.subject, c.answer)
				}
				a := put(t, s.put)
				if a.p.Code != c.want || c.text != "" && a.p.Message != c.text || c.text == "" && !strings.HasPrefix(a.p.Message, string(s.who)+" does not answer") {
					t.Errorf("problem %+v, want %s", a.p, c.want)
				}
				if a.out != nil && !reflect.ValueOf(a.out).IsZero() {
					t.Errorf("answer %+v beside the problem", a.out)
				}
				if n := h.counted(t, s.who, c.result) - before; n != 1 {
					t.Errorf("counted %d as %s, want 1", n, c.result)
				}
			})
		}
	}
}

func TestOneAnswerForSeveralAsksIsNone(t *testing.T) {
	h := newHouse(t, natstest.Conn(t, natstest.Server(t)), ask.Config{})
	h.answers(t, "hub.svc.authz.joins", &nats.Msg{Data: []byte(`{"answers":[{}]}`)})
	a := put(t, func(f func(any, frame.Problem)) {
		h.Joins(wire.JoinsAsk{Asks: make([]wire.JoinAsk, 2)}, func(_ []wire.JoinAnswer, p frame.Problem) { f(nil, p) })
	})
	if a.p.Code != wire.Unavailable {
		t.Errorf("problem %+v, want unavailable", a.p)
	}
}

func TestTheEndIsSilence(t *testing.T) {
	h := newHouse(t, natstest.Conn(t, natstest.Server(t)), ask.Config{})
	h.end()
	for name, s := range services(h.Asker) {
		if a := put(t, s.put); a.p.Code != wire.Unavailable {
			t.Errorf("%s: problem %+v, want unavailable", name, a.p)
		}
	}
	if a := h.call(t, "e", `1`); a.p.Code != wire.Unavailable {
		t.Errorf("call: problem %+v, want unavailable", a.p)
	}
}
