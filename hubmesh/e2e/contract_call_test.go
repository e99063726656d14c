package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestAnOwnEventIsAskedOfABackend(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	calls := make(chan *nats.Msg, 1)
	h.answers(t, "hub.call.>", func(m *nats.Msg) {
		calls <- m
		_ = m.Respond([]byte(`{"id":"42"}`))
	})
	k, id := comeWith(t, g, token(t, "ann@example.com"))
	for event, subject := range map[string]string{
		"task:create":     "hub.call.task.create",
		"ping":            "hub.call.ping",
		"a:b:c":           "hub.call.a.b.c",
		"report 2.0:März": "hub.call.report=202=2e0.M=c3=a4rz",
		"*:>":             "hub.call.=2a.=3e",
	} {
		t.Run(event, func(t *testing.T) {
			k.asks(`{"id":1,"event":`+quote(event)+`,"data":{"title":"Ship it"}}`, `{"ack":1,"data":{"id":"42"}}`)
			m := <-calls
			if m.Subject != subject || string(m.Data) != `{"title":"Ship it"}` {
				t.Errorf("asked on %s: %s, want %s", m.Subject, m.Data, subject)
			}
			for name, want := range map[string]string{"Hub-User": "ann@example.com", "Hub-Conn": id, "Hub-Event": event, "Hub-Door": "native"} {
				if got := m.Header.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("header %s is %q, want %q", name, got, want)
				}
			}
			if got := m.Header.Get("traceparent"); !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`).MatchString(got) {
				t.Errorf("traceparent is %q", got)
			}
		})
	}
	t.Run("without data", func(t *testing.T) {
		k.asks(`{"id":2,"event":"ping"}`, `{"ack":2,"data":{"id":"42"}}`)
		if m := <-calls; string(m.Data) != "null" {
			t.Errorf("the payload is %q, want null", m.Data)
		}
	})
	t.Run("without an id no ack comes", func(*testing.T) {
		k.say(`{"event":"ping"}`)
		<-calls
		k.lives()
	})
}

func TestABackendsAnswerIsTheAck(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	h.answers(t, "hub.call.echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	h.answers(t, "hub.call.say", func(m *nats.Msg) {
		answer := nats.NewMsg(m.Reply)
		code, text, _ := strings.Cut(strings.Trim(string(m.Data), `"`), " ")
		if code != "-" {
			answer.Header.Set("Hub-Error", code)
		}
		answer.Data = []byte(text)
		_ = m.RespondMsg(answer)
	})
	k := come(t, h.mesh.Gateways()[0], "ann")
	for _, data := range []string{`{}`, `null`, `7`, `"text"`, `[1,{"a":null}]`} {
		k.asks(`{"id":1,"event":"echo","data":`+data+`}`, `{"ack":1,"data":`+data+`}`)
	}
	for say, want := range map[string]string{
		`-`:                  `"data":{}`, // an empty body says nothing
		`forbidden not you`:  `"error":{"code":"forbidden","message":"not you"}`,
		`sold_out come back`: `"error":{"code":"sold_out","message":"come back"}`,
		`- no JSON`:          `"error":{"code":"internal","message":"<text>"}`,
	} {
		k.asks(`{"id":1,"event":"say","data":`+quote(say)+`}`, `{"ack":1,`+want+`}`)
	}
	k.asks(`{"event":"say","data":"forbidden not you"}`, `{"event":"error","data":{"code":"forbidden","message":"not you"}}`)
}

func TestNobodyAnswersACall(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.CallWait = 200 * time.Millisecond
	h := open(t, cfg)
	k := come(t, h.mesh.Gateways()[0], "ann")
	k.asks(`{"id":1,"event":"task:create","data":{}}`, `{"ack":1,"error":{"code":"no_handler","message":"<text>"}}`)
	h.answers(t, "hub.call.slow", func(*nats.Msg) {})
	k.asks(`{"id":2,"event":"slow"}`, `{"ack":2,"error":{"code":"timeout","message":"<text>"}}`)
	for _, name := range []string{"a::b", ":a", "a:", " a", "a ", "a\tb", strings.Repeat("e", 129)} {
		k.asks(`{"id":3,"event":`+quote(name)+`}`, `{"ack":3,"error":{"code":"invalid","message":"<text>"}}`)
	}
}

func TestThirtyTwoCallsAreUnderWayAtMost(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	const most = 32
	calls := make(chan *nats.Msg, 2*most)
	h.answers(t, "hub.call.slow", func(m *nats.Msg) { calls <- m })
	k := come(t, h.mesh.Gateways()[0], "ann")
	for i := range most {
		k.say(`{"id":%d,"event":"slow","data":%d}`, i, i)
	}
	k.asks(`{"id":32,"event":"slow"}`, `{"ack":32,"error":{"code":"too_many","message":"<text>"}}`)
	k.enter("lobby:1") // other asks go on
	another := come(t, h.mesh.Gateways()[0], "ann")
	another.say(`{"id":1,"event":"slow","data":"another"}`)
	for range most + 1 {
		m := <-calls
		_ = m.Respond(m.Data)
		if string(m.Data) == `"another"` {
			another.hears(`{"ack":1,"data":"another"}`)
			continue
		}
		k.hears(fmt.Sprintf(`{"ack":%s,"data":%s}`, m.Data, m.Data))
	}
	k.say(`{"id":33,"event":"slow","data":1}`)
	_ = (<-calls).Respond(nil)
	k.hears(`{"ack":33,"data":{}}`)
}
