package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
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

// garbage is what a backend may send that is no event of room task:a@b.
func garbage() map[string]*nats.Msg {
	room := "task.a=40b"
	all := map[string]*nats.Msg{
		"no JSON":                     message(room, `{"a":`, nil),
		"nothing":                     message(room, ``, nil),
		"two values":                  message(room, `1 2`, nil),
		"JSON in broken UTF-8":        message(room, "\"\xff\"", nil),
		"a kind that is not known":    message(room, `1`, []string{"Content-Type", "text/plain"}),
		"a name with an empty part":   message(room, `1`, []string{"Hub-Event", "a::b"}),
		"a name that is empty":        message(room, `1`, []string{"Hub-Event", ""}),
		"a name in broken UTF-8":      message(room, `1`, []string{"Hub-Event", "a\xff"}),
		"a name with a control":       message(room, `1`, []string{"Hub-Event", "a\x01b"}),
		"a name too long":             message(room, `1`, []string{"Hub-Event", string(slices.Repeat([]byte("e"), 129))}),
		"a room in upper-case hex":    message("task.a=4Fb", `1`, nil),
		"a room escaped needlessly":   message("task.=61=40b", `1`, nil),
		"a room not escaped":          message("task.a@b", `1`, nil),
		"a room of half an escape":    message("task.a=4", `1`, nil),
		"a room with a control":       message("task.a=00b", `1`, nil),
		"a room in broken UTF-8":      message("task.a=ff", `1`, nil),
		"a room of no type":           message("Task.a=40b", `1`, nil),
		"a room whose id is too long": message("task."+string(slices.Repeat([]byte("i"), 129)), `1`, nil),
	}
	return all
}

func TestGarbageIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.Admin = true
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	k := h.member(t, "ann", "task:a@b")
	for _, below := range []string{"hub.event.", "hub.live."} {
		for name, m := range garbage() {
			t.Run(below+" "+name, func(t *testing.T) {
				before := sum(metrics(t, g), "hubmesh_gateway_dropped_total")
				m.Subject = below + m.Subject
				if err := h.nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
				h.says(t, below+"task.a=40b", `"fence"`)
				var e struct{ Data any }
				if f := k.hear(); json.Unmarshal([]byte(f), &e) != nil || e.Data != "fence" {
					t.Errorf("heard %s", f)
				}
				if got := sum(metrics(t, g), "hubmesh_gateway_dropped_total") - before; got != 1 {
					t.Errorf("%v were counted as dropped, want 1", got)
				}
			})
		}
	}
	k.lives()
}

// lines is a log that counts its warnings.
type lines struct {
	slog.Handler
	warned *atomic.Int64
}

func (l lines) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		l.warned.Add(1)
	}
	return nil
}

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }

func TestGarbageIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	log := lines{slog.DiscardHandler, new(atomic.Int64)}
	g, _ := h.addLogging(t, config(t).Gateway, slog.New(log))
	k := come(t, g, "ann")
	k.enter("task:1")
	for range 100 {
		h.says(t, "hub.live.task.1", `no JSON`)
	}
	h.says(t, "hub.live.task.1", `1`)
	k.hears(`{"event":"message","room":"task:1","data":1}`)
	if n := log.warned.Load(); n != 1 {
		t.Errorf("%d lines were logged, want 1", n)
	}
}

func TestWhatIsNoCopyOfAStoredEventIsNone(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	k := h.member(t, "ann", "task:1")
	h.says(t, "hub.stored.task.1", `"forged"`)
	h.says(t, "hub.stored.task.1", `"forged"`, "Nats-Stream", "HUB_EVENTS", "Nats-Sequence", "none")
	h.says(t, "hub.stored.task.1", `"forged"`, "Nats-Stream", "ANOTHER", "Nats-Sequence", "1")
	h.stored(t, "hub.event.task.1", `1`)
	k.hears(`{"event":"message","room":"task:1","data":1,"offset":1,"time":"<ms>"}`)
	k.lives()
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
			slices.Sort(subjects)
			if verb != "PING" && !slices.Equal(subjects, endpoints) {
				t.Errorf("%s answers %v, want %v", name, subjects, endpoints)
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
		if !slices.Contains([]string{"ACME_EVENTS", "KV_ACME_GATEWAYS", "KV_ACME_QUOTA"}, name) {
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
