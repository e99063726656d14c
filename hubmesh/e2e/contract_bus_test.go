package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestABackendSpeaksToRooms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload string
		headers []string
		want    string // beside room, offset and time
	}{
		"without headers":         {`{"title":"Ship it"}`, nil, `"event":"message","data":{"title":"Ship it"}`},
		"with a name":             {`1`, []string{"Hub-Event", "task:update"}, `"event":"task:update","data":1`},
		"with a name in Unicode":  {`1`, []string{"Hub-Event", "größe geändert"}, `"event":"größe geändert","data":1`},
		"from a user":             {`null`, []string{"Hub-From", "bob@example.com"}, `"event":"message","data":null,"from":"bob@example.com"`},
		"as JSON":                 {`"x"`, []string{"Content-Type", "application/json"}, `"event":"message","data":"x"`},
		"in bytes":                {"\x00\xff\x00", []string{"Content-Type", "application/octet-stream"}, `"event":"message","data":{"base64":"AP8A"}`},
		"in no bytes":             {"", []string{"Content-Type", "application/octet-stream"}, `"event":"message","data":{"base64":""}`},
		"with forged headers":     {`1`, []string{"Nats-Sequence", "999", "Nats-Stream", "X", "Nats-Time-Stamp", "2001-01-01T00:00:00Z", "Nats-Subject", "hub.event.task.7"}, `"event":"message","data":1`},
		"with space around it":    {" [1,\n2] ", nil, `"event":"message","data":[1,2]`},
		"to others than somebody": {`1`, []string{"Hub-Except", "somebody-1"}, `"event":"message","data":1`},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, config(t))
			k := h.member(t, "ann", "task:a@b")
			offset := h.stored(t, "hub.event.task.a=40b", c.payload, c.headers...)
			k.hears(fmt.Sprintf(`{%s,"room":"task:a@b","offset":%d,"time":"<ms>"}`, c.want, offset))
			h.says(t, "hub.live.task.a=40b", c.payload, c.headers...)
			k.hears(fmt.Sprintf(`{%s,"room":"task:a@b"}`, c.want))
			s, err := h.js.Stream(t.Context(), "HUB_EVENTS")
			if err != nil {
				t.Fatal(err)
			}
			if s.CachedInfo().State.Msgs != 1 {
				t.Errorf("%d events are stored, want the durable one", s.CachedInfo().State.Msgs)
			}
		})
	}
}

func TestAMessageIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	k := h.member(t, "ann", "task:1")
	for range 3 {
		if got := h.stored(t, "hub.event.task.1", `1`, "Nats-Msg-Id", "order-7"); got != 1 {
			t.Errorf("stored at %d, want 1", got)
		}
	}
	h.stored(t, "hub.event.task.1", `2`)
	k.hears(`{"event":"message","room":"task:1","data":1,"offset":1,"time":"<ms>"}`)
	k.hears(`{"event":"message","room":"task:1","data":2,"offset":2,"time":"<ms>"}`)
}

func TestOneConnectionCanBeLeftOut(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	var members []talk
	var ids []string
	for i := range 4 {
		k, id := comeWith(t, h.mesh.Gateways()[i%2], token(t, "ann"))
		k.enter("task:1")
		members, ids = append(members, k), append(ids, id)
	}
	h.stored(t, "hub.event.task.1", `1`, "Hub-Except", ids[0])
	h.stored(t, "hub.event.task.1", `2`)
	for i, k := range members {
		if i != 0 {
			k.hears(`{"event":"message","room":"task:1","data":1,"offset":1,"time":"<ms>"}`)
		}
		k.hears(`{"event":"message","room":"task:1","data":2,"offset":2,"time":"<ms>"}`)
	}
	h.says(t, "hub.live.task.1", `3`, "Hub-Except", ids[1])
	h.says(t, "hub.live.task.1", `4`)
	for i, k := range members {
		if i != 1 {
			k.hears(`{"event":"message","room":"task:1","data":3}`)
		}
		k.hears(`{"event":"message","room":"task:1","data":4}`)
	}
}

func TestASubjectWithAnotherNumberOfTokensFindsNobody(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	for _, subject := range []string{"hub.event.task", "hub.event.task.42.x", "hub.live.task"} {
		if m, err := h.nc.Request(subject, []byte(`1`), patience); err == nil || m != nil {
			t.Errorf("%s: somebody answers: %v", subject, m)
		}
	}
}

func TestABackendSpeaksToOneConnection(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	k, id := comeWith(t, g, token(t, "ann"))
	other := come(t, g, "ann")
	subject := "hub.conn." + g.ID() + "." + id
	ask := func(subject, payload string, headers ...string) *nats.Msg {
		m, err := h.nc.RequestMsg(message(subject, payload, headers), patience)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	h.says(t, subject, `{"n":1}`, "Hub-Event", "hello")
	k.hears(`{"event":"hello","data":{"n":1}}`)
	if m := ask(subject, `2`); string(m.Data) != "{}" || m.Header.Get("Hub-Error") != "" {
		t.Errorf("the answer is %v %q, want {}", m.Header, m.Data)
	}
	k.hears(`{"event":"message","data":2}`)
	if m := ask(subject, "\xff\x00", "Content-Type", "application/octet-stream", "Hub-From", "bob"); string(m.Data) != "{}" {
		t.Errorf("the answer is %v %q, want {}", m.Header, m.Data)
	}
	k.hears(`{"event":"message","data":{"base64":"/wA="},"from":"bob"}`)
	if m := ask(subject, `no JSON`); m.Header.Get("Hub-Error") != "invalid" {
		t.Errorf("the answer to garbage is %v %q, want Hub-Error: invalid", m.Header, m.Data)
	}
	for _, gone := range []string{g.ID() + "-1", "nonsense"} {
		if m := ask("hub.conn."+g.ID()+"."+gone, `1`); m.Header.Get("Hub-Error") != "gone" {
			t.Errorf("the answer for %s is %v %q, want Hub-Error: gone", gone, m.Header, m.Data)
		}
	}
	k.lives()
	other.lives()
	if err := k.socket.Cut(); err != nil {
		t.Fatal(err)
	}
	until(t, patience, func() string { return ask(subject, `1`).Header.Get("Hub-Error") }, func(code string) bool { return code == "gone" })
}

func TestServicesTellOfThemselvesAsMicroServices(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	for name, endpoints := range map[string][]string{
		"hubmesh-gateway":   nil,
		"hubmesh-authz":     {"hub.svc.authz.connect", "hub.svc.authz.join"},
		"hubmesh-presence":  {"hub.svc.presence.gateways"},
		"hubmesh-ratelimit": {"hub.svc.ratelimit.take"},
	} {
		for verb, want := range map[string]string{"PING": "ping", "INFO": "info", "STATS": "stats"} {
			m, err := h.nc.Request("$SRV."+verb+"."+name, nil, patience)
			if err != nil {
				t.Errorf("%s of %s: %v", verb, name, err)
				continue
			}
			var a struct {
				Type, Name string
				Endpoints  []struct {
					Subject    string
					QueueGroup string `json:"queue_group"`
				}
			}
			if err := json.Unmarshal(m.Data, &a); err != nil || a.Type != "io.nats.micro.v1."+want+"_response" || a.Name != name {
				t.Errorf("%s of %s is answered with %s", verb, name, m.Data)
			}
			var subjects []string
			for _, e := range a.Endpoints {
				subjects = append(subjects, e.Subject)
				if "hubmesh-"+e.QueueGroup != name {
					t.Errorf("%s answers in queue group %q", e.Subject, e.QueueGroup)
				}
			}
			for _, promised := range endpoints {
				if verb != "PING" && !slices.Contains(subjects, promised) {
					t.Errorf("%s answers %v, want %s too", name, subjects, promised)
				}
			}
		}
	}
}

func TestAnotherPrefixMovesEverything(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Prefix = "acme"
	h := open(t, cfg)
	k := h.member(t, "ann", "task:42")
	for _, stream := range []string{"ACME_EVENTS", "KV_ACME_GATEWAYS"} {
		if _, err := h.js.Stream(t.Context(), stream); err != nil {
			t.Errorf("%s: %v", stream, err)
		}
	}
	names := h.js.StreamNames(t.Context())
	for name := range names.Name() {
		if !strings.HasPrefix(strings.TrimPrefix(name, "KV_"), "ACME_") {
			t.Errorf("there is a stream %s", name)
		}
	}
	h.says(t, "hub.live.task.42", `0`)
	h.stored(t, "acme.event.task.42", `1`)
	k.hears(`{"event":"message","room":"task:42","data":1,"offset":1,"time":"<ms>"}`)
	h.says(t, "acme.live.task.42", `2`)
	k.hears(`{"event":"message","room":"task:42","data":2}`)
	h.answers(t, "acme.call.ping", func(m *nats.Msg) { _ = m.Respond([]byte(`"pong"`)) })
	k.asks(`{"id":1,"event":"ping"}`, `{"ack":1,"data":"pong"}`)
}
