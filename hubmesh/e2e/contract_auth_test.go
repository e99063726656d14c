package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

func TestTheFirstFrameGreets(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for name, c := range map[string]struct{ token, want string }{
		"with the token's end": {
			mint(t, "ann@example.com", nil, time.Hour),
			`{"event":"connected","data":{"connection":"<text>","user":"ann@example.com","heartbeatMs":25000,"expiresAt":"<ms>","gateway":"%s","rooms":["user:ann@example.com","hub:all"],"position":{"epoch":"<text>","offset":"<number>"}}}`,
		},
		"without one": {
			mint(t, "ann", nil, 0),
			`{"event":"connected","data":{"connection":"<text>","user":"ann","heartbeatMs":25000,"gateway":"%s","rooms":["user:ann","hub:all"],"position":{"epoch":"<text>","offset":"<number>"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := knock(t, g, hub.Config{Token: c.token})
			k.hears(fmt.Sprintf(c.want, g.ID()))
			k.lives()
		})
	}
}

func TestAConnectionsIDIsItsGatewaysAndANumber(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.ID = "eu.west 1/ä"
	cfg.Gateways = 2
	h := open(t, cfg)
	seen := map[string]bool{}
	for i, want := range []string{"eu-west-1--", "eu-west-1---2"} {
		g := h.mesh.Gateways()[i]
		if g.ID() != want {
			t.Errorf("gateway %d is %q, want %q", i, g.ID(), want)
		}
		for range 3 {
			id := dial(t, g, "ann").Connected().Connection
			if !regexp.MustCompile(`^` + want + `-[0-9]+$`).MatchString(id) {
				t.Errorf("a connection of %s is %q", want, id)
			}
			if seen[id] {
				t.Errorf("%q is two connections", id)
			}
			seen[id] = true
		}
	}
}

func TestTheFirstFrameBringsTheToken(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	connected := `{"event":"connected","data":{"connection":"<text>","user":"ann","heartbeatMs":25000,"expiresAt":"<ms>","gateway":"<text>","rooms":["user:ann","hub:all"],"position":{"epoch":"<text>","offset":"<number>"}}}`
	t.Run("and its ack follows connected", func(t *testing.T) {
		k := knock(t, g, hub.Config{})
		k.asks(`{"id":1,"event":"auth","data":{"token":"`+token(t, "ann")+`"}}`, connected)
		k.hears(`{"ack":1,"data":{"expiresAt":"<ms>"}}`)
		k.lives()
	})
	t.Run("and the ack of one without end is empty", func(t *testing.T) {
		k := knock(t, g, hub.Config{})
		k.asks(`{"id":7,"event":"auth","data":{"token":"`+mint(t, "ann", nil, 0)+`"}}`, strings.Replace(connected, `"expiresAt":"<ms>",`, "", 1))
		k.hears(`{"ack":7,"data":{}}`)
	})
	t.Run("and no ack comes that was not asked for", func(t *testing.T) {
		k := knock(t, g, hub.Config{})
		k.asks(`{"event":"auth","data":{"token":"`+token(t, "ann")+`"}}`, connected)
		k.lives()
	})
	t.Run("and what is asked right behind it waits for the answer", func(t *testing.T) {
		k := knock(t, g, hub.Config{})
		k.say(`{"event":"auth","data":{"token":"%s"}}`, token(t, "ann"))
		k.asks(`{"id":2,"event":"subscribe","data":"lobby:1"}`, connected)
		k.hears(`{"ack":2,"data":{"rooms":[{"room":"lobby:1","offset":"<number>","epoch":"<text>"}],"denied":[]}}`)
	})
}

func TestABadFirstFrameIsToldAndEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	ack := func(code string) string { return `{"ack":3,"error":{"code":"` + code + `","message":"<text>"}}` }
	for name, c := range map[string]struct{ first, want string }{
		"a bad token":         {`{"id":3,"event":"auth","data":{"token":"bad"}}`, ack("unauthorized")},
		"a bad one, no id":    {`{"event":"auth","data":{"token":"bad"}}`, `{"event":"error","data":{"code":"unauthorized","message":"<text>"}}`},
		"an expired token":    {`{"id":3,"event":"auth","data":{"token":"` + sign(secret, `{"sub":"ann","exp":1}`) + `"}}`, ack("token_expired")},
		"no token":            {`{"id":3,"event":"auth","data":{}}`, ack("unauthorized")},
		"a subscribe":         {`{"id":3,"event":"subscribe","data":"task:42"}`, ack("unauthorized")},
		"a heartbeat":         {`{"id":3,"event":"heartbeat"}`, ack("unauthorized")},
		"an own event, no id": {`{"event":"task:create"}`, `{"event":"error","data":{"code":"unauthorized","message":"<text>"}}`},
		"no JSON":             {`hello`, `{"event":"error","data":{"code":"unauthorized","message":"<text>"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			k := knock(t, g, hub.Config{})
			k.say("%s", c.first)
			k.endsAfter(4401, c.want)
		})
	}
}

func TestWhoBringsNoTokenInTimeIsClosed(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.AuthWait = 100 * time.Millisecond
	h := open(t, cfg)
	knock(t, h.mesh.Gateways()[0], hub.Config{}).ends(4401)
}

func TestNothingReachesWhoHasNotShownAToken(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	_, id := comeWith(t, g, token(t, "ann"))
	k := knock(t, g, hub.Config{})
	until(t, patience, func() figures { return ask(t, g) }, func(f figures) bool { return f.Connections == 2 })
	var n uint64
	if _, err := fmt.Sscanf(strings.TrimPrefix(id, g.ID()+"-"), "%d", &n); err != nil {
		t.Fatal(err)
	}
	next := fmt.Sprintf("hub.conn.%s.%s-%d", g.ID(), g.ID(), n+1)
	m, err := h.nc.Request(next, []byte(`{}`), patience)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Hub-Error"); got != "gone" {
		t.Errorf("the answer for a connection without a token is %q %q, want Hub-Error: gone", got, m.Data)
	}
	h.says(t, "hub.live.hub.all", `1`)
	k.say(`{"id":1,"event":"auth","data":{"token":"%s"}}`, token(t, "bob"))
	var first struct{ Event string }
	if err := json.Unmarshal([]byte(k.hear()), &first); err != nil || first.Event != "connected" {
		t.Errorf("the first frame is %+v, %v, want connected", first, err)
	}
}

func TestATokenCanBeReplacedByOneOfTheSameUser(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	k := come(t, g, "ann")
	k.asks(`{"id":1,"event":"auth:refresh","data":{"token":"`+token(t, "ann")+`"}}`, `{"ack":1,"data":{"expiresAt":"<ms>"}}`)
	k.asks(`{"id":2,"event":"auth:refresh","data":{"token":"`+token(t, "bob")+`"}}`, `{"ack":2,"error":{"code":"forbidden","message":"<text>"}}`)
	k.asks(`{"id":3,"event":"auth:refresh","data":{"token":"bad"}}`, `{"ack":3,"error":{"code":"unauthorized","message":"<text>"}}`)
	k.asks(`{"id":4,"event":"auth:refresh","data":{"token":"`+sign(secret, `{"sub":"ann","exp":1}`)+`"}}`, `{"ack":4,"error":{"code":"token_expired","message":"<text>"}}`)
	k.asks(`{"id":5,"event":"auth:refresh","data":{}}`, `{"ack":5,"error":{"code":"invalid","message":"<text>"}}`)
	k.lives()

	t.Run("and its claims count from then on", func(t *testing.T) {
		k, _ := comeWith(t, g, mint(t, "ann", nil, time.Hour))
		k.asks(`{"id":1,"event":"subscribe","data":"task:7"}`, `{"ack":1,"data":{"rooms":[],"denied":[{"room":"task:7","code":"forbidden","message":"<text>"}]}}`)
		k.asks(`{"id":2,"event":"auth:refresh","data":{"token":"`+mint(t, "ann", map[string]any{"tasks": "7"}, time.Hour)+`"}}`, `{"ack":2,"data":{"expiresAt":"<ms>"}}`)
		k.asks(`{"id":3,"event":"subscribe","data":"task:7"}`, `{"ack":3,"data":{"rooms":[{"room":"task:7","offset":"<number>","epoch":"<text>"}],"denied":[]}}`)
	})
}

func TestAnExpiringTokenIsAnnouncedAndThenClosed(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	short := mint(t, "ann", nil, 8*time.Second)
	kept, _ := comeWith(t, g, short)
	left, _ := comeWith(t, g, short)
	for _, k := range []talk{kept, left} {
		k.hears(`{"event":"token:expiring","data":{"expiresAt":"<ms>"}}`)
	}
	kept.asks(`{"id":1,"event":"auth:refresh","data":{"token":"`+token(t, "ann")+`"}}`, `{"ack":1,"data":{"expiresAt":"<ms>"}}`)
	left.ends(4401)
	kept.lives()
}
