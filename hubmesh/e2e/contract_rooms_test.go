package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for data, rooms := range map[string][]string{
		`"task:42"`:                        {"task:42"},
		`["task:42"]`:                      {"task:42"},
		`["task:42","lobby:ä b.c>*:d"]`:    {"task:42", "lobby:ä b.c>*:d"},
		`{"room":"task:42"}`:               {"task:42"},
		`{"rooms":["task:42","team:red"]}`: {"task:42", "team:red"},
		`{"rooms":[{"room":"task:42"},"team:red"],"presence":false}`: {"task:42", "team:red"},
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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

func TestAPositionIsWhereTheConnectionHasHeardEverything(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	ann := h.member(t, "ann", "task:1")
	for n := range 3 {
		h.stored(t, "hub.event.task.1", `1`)
		ann.hears(fmt.Sprintf(`{"event":"message","room":"task:1","data":1,"offset":%d,"time":"<ms>"}`, n+1))
	}
	bob, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + h.mesh.Gateways()[0].Addr().String(), Token: token(t, "bob")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bob.Cut() })
	at := bob.Connected().Position
	if at.Offset != 3 || at.Epoch == "" {
		t.Errorf("connected at %v, want offset 3", at)
	}
	in := enter(t, bob, hub.Room{Room: "task:2"})
	if in.Offset != 3 || in.Epoch != at.Epoch {
		t.Errorf("entered at %+v, want where it connected", in)
	}
	h.stored(t, "hub.event.task.9", `1`) // in a room that neither is in
	until(t, patience, func() hub.Position {
		p, err := bob.Heartbeat(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p.Position
	}, func(p hub.Position) bool { return p == hub.Position{Epoch: at.Epoch, Offset: 4} })
}
