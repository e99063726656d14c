package ask_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// call calls a backend.
func (h house) call(t *testing.T, event, data string) answered {
	t.Helper()
	return put(t, func(f func(any, frame.Problem)) {
		c := ask.Call{Event: event, User: "ann", Conn: "g-1", Door: "native", Data: json.RawMessage(data)}
		h.Call(c, func(reply json.RawMessage, p frame.Problem) { f(string(reply), p) })
	})
}

func TestABackendIsCalled(t *testing.T) {
	h := newHouse(t, natstest.Conn(t, natstest.Server(t)), ask.Config{})
	asked := h.answers(t, "hub.call.task.cr=c3=a9er", &nats.Msg{Data: []byte(`{"id":1}`)})
	for range 2 {
		if a := h.call(t, "task:créer", `{"a":1}`); a.p.Is() || a.out != `{"id":1}` {
			t.Errorf("answer %+v, want what the backend said", a)
		}
	}
	first, second := <-asked, (*nats.Msg)(nil)
	select {
	case second = <-asked:
	case <-time.After(patience):
		t.Fatal("it was asked once")
	}
	want := map[string]string{"Hub-User": "ann", "Hub-Conn": "g-1", "Hub-Event": "task:créer", "Hub-Door": "native"}
	for name, value := range want {
		if got := first.Header.Get(name); got != value {
			t.Errorf("header %s: %q, want %q", name, got, value)
		}
	}
	trace := first.Header.Get("traceparent")
	if ok := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`).MatchString(trace); !ok || trace == second.Header.Get("traceparent") {
		t.Errorf("traceparent %q, then %q; want two that differ", trace, second.Header.Get("traceparent"))
	}
	if string(first.Data) != `{"a":1}` {
		t.Errorf("asked %s", first.Data)
	}
}

func TestWhatABackendAnswers(t *testing.T) {
	long := strings.Repeat("é", 1000)
	fault := func(code, text string) *nats.Msg {
		return &nats.Msg{Header: nats.Header{"Hub-Error": {code}}, Data: []byte(text)}
	}
	cases := map[string]struct {
		answer *nats.Msg // nil: none
		nobody bool
		data   string
		reply  string
		want   frame.Problem
		result meter.Result
	}{
		"anything is a reply":          {answer: &nats.Msg{Data: []byte("hello")}, reply: "hello", result: meter.OK},
		"nothing is a reply":           {answer: &nats.Msg{}, result: meter.OK},
		"an error with one of our own": {answer: fault("forbidden", "not yours"), want: frame.Problem{Code: wire.Forbidden, Message: "not yours"}, result: meter.Refused},
		"an error with one of its own": {answer: fault("out_of_stock", ""), want: frame.Problem{Code: "out_of_stock"}, result: meter.Refused},
		"an error with a long text":    {answer: fault("invalid", "x"+long), want: frame.Problem{Code: wire.Invalid, Message: "x" + long[:1022]}, result: meter.Refused},
		"an error of a micro service": {
			answer: &nats.Msg{Header: nats.Header{"Nats-Service-Error": {"no"}, "Nats-Service-Error-Code": {"500"}}},
			want:   frame.Problem{Code: wire.Internal, Message: "no"}, result: meter.Refused,
		},
		"nobody listens": {nobody: true, want: frame.Problem{Code: wire.NoHandler, Message: "no backend answers e"}, result: meter.Refused},
		"silence":        {want: frame.Problem{Code: wire.Timeout, Message: fmt.Sprintf("the backend did not answer within %v", short)}, result: meter.Silent},
		"too much for NATS": {
			nobody: true, data: `"` + strings.Repeat("x", 3<<20) + `"`,
			want: frame.Problem{Code: wire.TooLarge, Message: "more than NATS carries in one message"}, result: meter.Refused,
		},
	}
	h := newHouse(t, natstest.Conn(t, natstest.Server(t)), ask.Config{CallWait: short})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			before := h.counted(t, meter.Backend, c.result)
			if !c.nobody {
				h.answers(t, "hub.call.e", c.answer)
			}
			if a := h.call(t, "e", c.data); a.out != c.reply || a.p != c.want {
				t.Errorf("reply %q, problem %+v; want %q, %+v", a.out, a.p, c.reply, c.want)
			}
			if n := h.counted(t, meter.Backend, c.result) - before; n != 1 {
				t.Errorf("counted %d as %s, want 1", n, c.result)
			}
		})
	}
}

func TestWithoutNATSABackendIsUnavailableAtOnce(t *testing.T) {
	w := natstest.NewWire(t, natstest.Server(t))
	nc := w.Conn(t)
	h := newHouse(t, nc, ask.Config{CallWait: time.Hour, DecideWait: time.Hour, TakeWait: time.Hour})
	away := nc.StatusChanged(nats.RECONNECTING)
	w.Cut()
	<-away
	if a := h.call(t, "e", `1`); a.p.Code != wire.Unavailable {
		t.Errorf("call: problem %+v, want unavailable", a.p)
	}
	for name, s := range services(h.Asker) {
		if a := put(t, s.put); a.p.Code != wire.Unavailable {
			t.Errorf("%s: problem %+v, want unavailable", name, a.p)
		}
	}
}
