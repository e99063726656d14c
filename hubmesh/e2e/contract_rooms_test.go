package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// entered is what an ack says of rooms that were entered.
func entered(rooms ...string) string {
	for i, r := range rooms {
		rooms[i] = `{"room":` + quote(r) + `,"offset":"<number>","epoch":"<text>"}`
	}
	return "[" + strings.Join(rooms, ",") + "]"
}

// denied is what an ack says of rooms that were not entered, for one reason.
func denied(code string, rooms ...string) string {
	for i, r := range rooms {
		rooms[i] = `{"room":` + quote(r) + `,"code":"` + code + `","message":"<text>"}`
	}
	return "[" + strings.Join(rooms, ",") + "]"
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a text
	}
	return string(b)
}

func TestRoomsAreEnteredInEverySpelling(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for data, rooms := range map[string][]string{
		`"task:42"`:                        {"task:42"},
		`["task:42"]`:                      {"task:42"},
		`["task:42","lobby:ä b.c>*:d"]`:    {"task:42", "lobby:ä b.c>*:d"},
		`{"room":"task:42"}`:               {"task:42"},
		`{"rooms":["task:42","team:red"]}`: {"task:42", "team:red"},
		`{"rooms":[{"room":"task:42"},"team:red"],"presence":true}`: {"task:42", "team:red"},
		`["task:42","task:42"]`: {"task:42"},
		`"user:ann"`:            {"user:ann"},
		`"hub:all"`:             {"hub:all"},
	} {
		t.Run(data, func(t *testing.T) {
			k := come(t, g, "ann")
			k.asks(`{"id":1,"event":"subscribe","data":`+data+`}`, `{"ack":1,"data":{"rooms":`+entered(rooms...)+`,"denied":[]}}`)
			k.lives()
		})
	}
	for _, data := range []string{`null`, `7`, `[]`, `{}`, `{"rooms":[]}`, `{"rooms":"task:42","room":7}`, `{"rooms":[7]}`} {
		t.Run("but not as "+data, func(t *testing.T) {
			k := come(t, g, "ann")
			k.asks(`{"id":1,"event":"subscribe","data":`+data+`}`, `{"ack":1,"error":{"code":"invalid","message":"<text>"}}`)
		})
	}
}

func TestARoomThatMayNotBeEnteredIsDenied(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for code, rooms := range map[string][]string{
		"forbidden": {"user:bob", "project:1", "hub:other", "nobody-knows:1"},
		"invalid":   {"task", "task:", "Task:42", "4:2", "ta sk:42", "task:" + strings.Repeat("x", 129), strings.Repeat("t", 33) + ":1", "task:a\x00b", "task:\u0085"},
	} {
		for _, room := range rooms {
			t.Run(fmt.Sprintf("%s, %.20q", code, room), func(t *testing.T) {
				k := come(t, g, "ann")
				k.asks(`{"id":1,"event":"subscribe","data":["task:1",`+quote(room)+`]}`,
					`{"ack":1,"data":{"rooms":`+entered("task:1")+`,"denied":`+denied(code, room)+`}}`)
			})
		}
	}
	t.Run("too_many, the 101st", func(t *testing.T) {
		k := come(t, g, "ann")
		all := make([]string, 101)
		for i := range all {
			all[i] = fmt.Sprintf("lobby:%d", i)
		}
		k.asks(`{"id":1,"event":"subscribe","data":["`+strings.Join(all, `","`)+`"]}`,
			`{"ack":1,"data":{"rooms":`+entered(slices.Clone(all[:100])...)+`,"denied":`+denied("too_many", all[100])+`}}`)
	})
}

func TestClaimsGiveRooms(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	all := []string{"team:red", "team:blue", "project:1", "project:2", "task:1", "task:2", "lobby:1"}
	for name, c := range map[string]struct {
		claims map[string]any
		may    []string
	}{
		"none":            {nil, []string{"lobby:1"}},
		"a text":          {map[string]any{"teams": "red", "projects": "1", "tasks": "2"}, []string{"team:red", "project:1", "task:2", "lobby:1"}},
		"a list":          {map[string]any{"teams": []string{"red", "blue"}}, []string{"team:red", "team:blue", "lobby:1"}},
		"rooms":           {map[string]any{"rooms": []string{"task:1", "project:*"}}, []string{"project:1", "project:2", "task:1", "lobby:1"}},
		"rooms, one text": {map[string]any{"rooms": "team:*"}, []string{"team:red", "team:blue", "lobby:1"}},
		"of another kind": {map[string]any{"teams": 7, "rooms": map[string]any{"task:1": true}}, []string{"lobby:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := comeWith(t, g, mint(t, "ann", c.claims, time.Hour))
			not := slices.DeleteFunc(slices.Clone(all), func(r string) bool { return slices.Contains(c.may, r) })
			k.asks(`{"id":1,"event":"subscribe","data":["`+strings.Join(all, `","`)+`"]}`,
				`{"ack":1,"data":{"rooms":`+entered(slices.Clone(c.may)...)+`,"denied":`+denied("forbidden", not...)+`}}`)
		})
	}
}

func TestARoomThatWasLeftIsHeardNoMore(t *testing.T) {
	h := open(t, config(t))
	k := come(t, h.mesh.Gateways()[0], "ann")
	k.asks(`{"id":1,"event":"subscribe","data":["task:1","task:2"]}`, `{"ack":1,"data":{"rooms":`+entered("task:1", "task:2")+`,"denied":[]}}`)
	h.stored(t, "hub.event.task.1", `1`)
	k.hears(`{"event":"message","room":"task:1","data":1,"offset":"<number>","time":"<ms>"}`)
	k.asks(`{"id":2,"event":"subscribe","data":"task:1"}`, `{"ack":2,"data":{"rooms":`+entered("task:1")+`,"denied":[]}}`) // anew
	k.asks(`{"id":3,"event":"unsubscribe","data":{"rooms":["task:1","task:7"]}}`, `{"ack":3,"data":{}}`)
	h.stored(t, "hub.event.task.1", `2`)
	h.stored(t, "hub.event.task.2", `3`)
	k.hears(`{"event":"message","room":"task:2","data":3,"offset":"<number>","time":"<ms>"}`)
	k.asks(`{"id":4,"event":"unsubscribe","data":{"rooms":["user:ann"]}}`, `{"ack":4,"error":{"code":"invalid","message":"<text>"}}`)
	k.asks(`{"id":5,"event":"unsubscribe","data":{"rooms":["nonsense"]}}`, `{"ack":5,"error":{"code":"invalid","message":"<text>"}}`)
}

func TestEveryoneHearsTheirOwnRoomAndThatOfAll(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	ann, bob := come(t, g, "ann@example.com"), come(t, g, "bob")
	h.stored(t, "hub.event.user.ann=40example=2ecom", `{"id":"9","title":"For ann"}`, "Hub-Event", "notification")
	h.stored(t, "hub.event.hub.all", `"for all"`)
	ann.hears(`{"event":"notification","room":"user:ann@example.com","data":{"id":"9","title":"For ann"},"offset":1,"time":"<ms>"}`)
	for _, k := range []talk{ann, bob} {
		k.hears(`{"event":"message","room":"hub:all","data":"for all","offset":2,"time":"<ms>"}`)
	}
}

// replies answers an authz question as one's own authz would.
func replies(answer string) nats.MsgHandler {
	return func(m *nats.Msg) { _ = m.Respond([]byte(answer)) }
}

func TestAnybodysAuthzMayAnswer(t *testing.T) {
	cfg := config(t)
	cfg.Without = []string{"authz"}
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	asked := make(chan string, 8)
	h.answers(t, "hub.svc.authz.connect", func(m *nats.Msg) {
		asked <- string(m.Data)
		_ = m.Respond([]byte(`{"allow":true,"user":"ann","claims":{"readonly":true},"rooms":["team:red"],"welcome":[{"event":"hello","data":{"n":1}},{"event":"hello","data":{"n":2}}]}`))
	})
	h.answers(t, "hub.svc.authz.join", func(m *nats.Msg) {
		asked <- string(m.Data)
		_ = m.Respond([]byte(`{"rooms":{"task:42":{"allow":true,"can":["subscribe","presence","history"]},"task:43":{"allow":true,"can":["subscribe","signal"]},"task:44":{"allow":false}}}`))
	})
	k := knock(t, g, hub.Config{Token: "anything", Header: map[string][]string{"Origin": {"http://" + g.Addr().String()}}})
	k.hears(`{"event":"connected","data":{"connection":"<text>","user":"ann","heartbeatMs":25000,"gateway":"<text>","rooms":["user:ann","hub:all","team:red"],"position":{"epoch":"<text>","offset":"<number>"}}}`)
	k.hears(`{"event":"hello","data":{"n":1}}`)
	k.hears(`{"event":"hello","data":{"n":2}}`)
	if err := like(<-asked, `{"token":"anything","door":"native","ip":"127.0.0.1","origin":"http://`+g.Addr().String()+`"}`); err != nil {
		t.Error(err)
	}
	h.stored(t, "hub.event.team.red", `1`)
	k.hears(`{"event":"message","room":"team:red","data":1,"offset":1,"time":"<ms>"}`)

	k.asks(`{"id":1,"event":"subscribe","data":["task:42","task:43","task:44","task:45"]}`,
		`{"ack":1,"data":{"rooms":`+entered("task:42", "task:43")+`,"denied":`+denied("forbidden", "task:44", "task:45")+`}}`)
	if err := like(<-asked, `{"user":"ann","claims":{"readonly":true},"connection":"<text>","rooms":["task:42","task:43","task:44","task:45"]}`); err != nil {
		t.Error(err)
	}
	for i, c := range []struct {
		room    string
		durable bool
		want    string
	}{
		{"task:42", true, `"error":{"code":"forbidden","message":"<text>"}`},
		{"task:42", false, `"error":{"code":"forbidden","message":"<text>"}`},
		{"task:43", true, `"error":{"code":"forbidden","message":"<text>"}`},
		{"task:43", false, `"data":{}`},
		{"task:44", false, `"error":{"code":"forbidden","message":"<text>"}`},
	} {
		k.asks(fmt.Sprintf(`{"id":%d,"event":"publish","data":{"room":%q,"event":"e","durable":%v}}`, i+2, c.room, c.durable), fmt.Sprintf(`{"ack":%d,%s}`, i+2, c.want))
	}
}

func TestASilentAuthzLetsNobodyIn(t *testing.T) {
	cfg := config(t)
	cfg.Without = []string{"authz"}
	cfg.Gateway.DecideWait = 100 * time.Millisecond
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	t.Run("when nobody is there", func(t *testing.T) {
		unavailable(t, refused(t, g, hub.Config{Token: token(t, "ann")}))
	})
	t.Run("when it does not answer", func(t *testing.T) {
		h.answers(t, "hub.svc.authz.connect", func(*nats.Msg) {})
		unavailable(t, refused(t, g, hub.Config{Token: token(t, "ann")}))
	})
	t.Run("into no room either", func(t *testing.T) {
		h.answers(t, "hub.svc.authz.connect", replies(`{"allow":true,"user":"ann"}`))
		h.answers(t, "hub.svc.authz.join", func(*nats.Msg) {})
		k := come(t, g, "ann")
		k.asks(`{"id":1,"event":"subscribe","data":["task:1"]}`, `{"ack":1,"data":{"rooms":[],"denied":`+denied("unavailable", "task:1")+`}}`)
		k.asks(`{"id":2,"event":"publish","data":{"room":"task:1","event":"e","durable":true}}`, `{"ack":2,"error":{"code":"unavailable","message":"<text>"}}`)
		k.asks(`{"id":3,"event":"auth:refresh","data":{"token":"another"}}`, `{"ack":3,"data":{}}`)
		k.lives()
	})
	t.Run("and its own no is passed on", func(t *testing.T) {
		h.answers(t, "hub.svc.authz.connect", replies(`{"allow":false,"code":"token_expired","message":"yesterday"}`))
		if r := refused(t, g, hub.Config{Token: "x"}); r.Status != 401 || r.Code != "token_expired" || r.Message != "yesterday" {
			t.Errorf("refused with %+v", *r)
		}
	})
}
