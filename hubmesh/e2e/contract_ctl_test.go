package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// ctl asks hub.ctl.conn.<verb> as a backend would, and fails unless the answer
// is like want.
func (h *house) ctl(t testing.TB, verb, body, want string) {
	t.Helper()
	m, err := h.nc.Request("hub.ctl.conn."+verb, []byte(body), patience)
	if err != nil {
		t.Fatalf("%s %s: %v", verb, body, err)
	}
	if m.Header.Get("Hub-Error") != "" {
		t.Fatalf("%s %s: %v %s", verb, body, m.Header, m.Data)
	}
	if err := like(string(m.Data), want); err != nil {
		t.Fatalf("%s %s: %v", verb, body, err)
	}
}

// connections is an answer that lists these, in order of their ids.
func connections(list ...string) string {
	slices.Sort(list) // each begins with its id
	return `{"connections":[` + strings.Join(list, ",") + `]}`
}

// connection is one of an answer.
func connection(id, user string, rooms ...string) string {
	names, _ := json.Marshal(rooms)
	return fmt.Sprintf(`{"connection":%q,"user":%q,"gateway":%q,"door":"native","rooms":%s}`, id, user, id[:strings.LastIndexByte(id, '-')], names)
}

func TestBackendsSeeConnectionsOnAllGateways(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	gs := h.mesh.Gateways()
	a, annID := comeWith(t, gs[0], token(t, "ann"))
	b, annToo := comeWith(t, gs[1], token(t, "ann"))
	c, bobID := comeWith(t, gs[1], token(t, "bob"))
	for _, k := range []talk{a, c} {
		k.asks(`{"id":1,"event":"subscribe","data":"task:a b"}`, `{"ack":1,"data":{"rooms":`+entered("task:a b")+`,"denied":[]}}`)
	}
	ann := connection(annID, "ann", "hub:all", "task:a b", "user:ann")
	second := connection(annToo, "ann", "hub:all", "user:ann")
	bob := connection(bobID, "bob", "hub:all", "task:a b", "user:bob")
	h.ctl(t, "get", `{"user":"ann"}`, connections(ann, second))
	h.ctl(t, "get", `{"room":"task:a b"}`, connections(ann, bob))
	h.ctl(t, "get", `{"room":"hub:all"}`, connections(ann, second, bob))
	h.ctl(t, "get", `{"connection":"`+bobID+`"}`, connections(bob))
	for _, nobody := range []string{`{"user":"cat"}`, `{"room":"task:7"}`, `{"connection":"x-7"}`, `{"connection":"x"}`, `{"connection":"` + bobID + `0"}`} {
		h.ctl(t, "get", nobody, `{"connections":[]}`)
	}
	b.lives()
}

func TestBackendsEndConnections(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	gs := h.mesh.Gateways()
	var ids []string
	var all []talk
	for i := range 6 {
		k, id := comeWith(t, gs[i%2], token(t, []string{"ann", "ann", "bob", "bob", "cat", "cat"}[i]))
		all, ids = append(all, k), append(ids, id)
	}
	h.ctl(t, "close", `{"user":"ann"}`, connections(connection(ids[0], "ann", "hub:all", "user:ann"), connection(ids[1], "ann", "hub:all", "user:ann")))
	h.ctl(t, "close", `{"connection":"`+ids[2]+`"}`, connections(connection(ids[2], "bob", "hub:all", "user:bob")))
	h.ctl(t, "close", `{"room":"user:cat"}`, connections(connection(ids[4], "cat", "hub:all", "user:cat"), connection(ids[5], "cat", "hub:all", "user:cat")))
	for i, k := range all {
		if i == 3 {
			k.lives()
			continue
		}
		k.endsAfter(4403)
	}
	come(t, gs[0], "ann").lives() // it was told to go, its token still holds
}

func TestAnEndThatABackendAsksForTellsItsReason(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for said, want := range map[string]string{
		"your account is closed":        "your account is closed",
		strings.Repeat("x", 122) + "ää": strings.Repeat("x", 122), // a close frame holds 123 bytes
	} {
		k, id := comeWith(t, g, token(t, "ann"))
		h.ctl(t, "close", `{"connection":"`+id+`","reason":"`+said+`"}`, connections(connection(id, "ann", "hub:all", "user:ann")))
		_, err := k.read()
		var closed *hub.Closed
		if !errors.As(err, &closed) || closed.Code != 4403 || closed.Reason != want {
			t.Errorf("it ended with %v, want 4403 and %q", err, want)
		}
	}
}

func TestBackendsPutConnectionsIntoRoomsAndTakeThemOut(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	gs := h.mesh.Gateways()
	a, first := comeWith(t, gs[0], token(t, "ann"))
	b, second := comeWith(t, gs[1], token(t, "ann"))
	both := connections(connection(first, "ann", "hub:all", "secret:7", "user:ann"), connection(second, "ann", "hub:all", "secret:7", "user:ann"))
	h.ctl(t, "join", `{"user":"ann","room":"secret:7"}`, both)
	for _, k := range []talk{a, b} {
		k.hears(`{"event":"room:joined","data":{"room":"secret:7","offset":"<number>","epoch":"<text>"}}`)
		// It is the backend's right: the policy would not have given it, and gives no other.
		k.asks(`{"id":1,"event":"publish","data":{"room":"secret:7","event":"e"}}`, `{"ack":1,"error":{"code":"forbidden","message":"<text>"}}`)
	}
	h.ctl(t, "join", `{"connection":"`+first+`","room":"secret:7"}`, connections(connection(first, "ann", "hub:all", "secret:7", "user:ann")))
	a.hears(`{"event":"room:joined","data":{"room":"secret:7","offset":"<number>","epoch":"<text>"}}`)
	offset := h.stored(t, "hub.event.secret.7", `1`)
	for _, k := range []talk{a, b} {
		k.hears(fmt.Sprintf(`{"event":"message","room":"secret:7","data":1,"offset":%d,"time":"<ms>"}`, offset))
	}
	h.ctl(t, "leave", `{"connection":"`+second+`","room":"secret:7","reason":"it is over"}`, connections(connection(second, "ann", "hub:all", "user:ann")))
	b.hears(`{"event":"room:left","data":{"room":"secret:7","reason":"it is over"}}`)
	offset = h.stored(t, "hub.event.secret.7", `2`)
	a.hears(fmt.Sprintf(`{"event":"message","room":"secret:7","data":2,"offset":%d,"time":"<ms>"}`, offset))
	b.lives()
	b.asks(`{"id":2,"event":"subscribe","data":"secret:7"}`, `{"ack":2,"data":{"rooms":[],"denied":`+denied("forbidden", "secret:7")+`}}`)
	h.ctl(t, "leave", `{"user":"ann","room":"secret:7"}`, connections(connection(first, "ann", "hub:all", "user:ann")))
	a.hears(`{"event":"room:left","data":{"room":"secret:7","reason":"<text>"}}`)
	for _, own := range []string{"user:ann", "hub:all", "secret:7"} { // every connection is there, or none
		h.ctl(t, "leave", `{"user":"ann","room":"`+own+`"}`, `{"connections":[]}`)
	}
	a.lives()
}

func TestABackendIsToldWhatItAskedWrong(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	for verb, bodies := range map[string][]string{
		"get":   {``, `x`, `[]`, `{}`, `{"user":"ann","room":"task:1"}`, `{"user":"ann","connection":"g-1"}`, `{"room":"task"}`, `{"user":" ann"}`, `{"user":7}`},
		"close": {`{}`, `{"room":"Task:1"}`, `{"connection":"g-1","room":"task:1"}`},
		"join":  {`{}`, `{"user":"ann"}`, `{"room":"task:1"}`, `{"user":"ann","room":"task"}`, `{"user":"ann","connection":"g-1","room":"task:1"}`},
		"leave": {`{"connection":"g-1"}`, `{"room":"task:1","reason":"x"}`},
	} {
		for _, body := range bodies {
			m, err := h.nc.Request("hub.ctl.conn."+verb, []byte(body), patience)
			if err != nil || m.Header.Get("Hub-Error") != "invalid" {
				t.Errorf("%s %s: %v, %v, want Hub-Error: invalid", verb, body, m, err)
			}
		}
	}
	if _, err := h.nc.Request("hub.ctl.conn.sing", []byte(`{}`), patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("another verb: %v, want nobody", err)
	}
}

func TestGatewaysThatDoNotAnswerAreNamed(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	cfg.Gateway.LeaseTTL = time.Minute
	h := open(t, cfg)
	gs := h.mesh.Gateways()
	_, ann := comeWith(t, gs[0], token(t, "ann"))
	_, gone := comeWith(t, gs[1], token(t, "ann"))
	h.mesh.Kill(gs[1])
	begun := time.Now()
	h.ctl(t, "get", `{"user":"ann"}`, fmt.Sprintf(`{"connections":[%s],"missing":[%q]}`, connection(ann, "ann", "hub:all", "user:ann"), gs[1].ID()))
	h.ctl(t, "close", `{"connection":"`+gone+`"}`, fmt.Sprintf(`{"connections":[],"missing":[%q]}`, gs[1].ID()))
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("two answers took %v, want about a second each", took)
	}
	h.ctl(t, "get", `{"connection":"`+ann+`"}`, connections(connection(ann, "ann", "hub:all", "user:ann"))) // concerns the other alone
}
