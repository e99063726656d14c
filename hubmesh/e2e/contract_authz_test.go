package e2e

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// replies answers an authz question as one's own authz would.
func replies(answer string) nats.MsgHandler {
	return func(m *nats.Msg) { _ = m.Respond([]byte(answer)) }
}

func TestAnybodysAuthzMayAnswer(t *testing.T) {
	t.Parallel()
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

func TestTheAddressIsThePeersOrWhatATrustedProxySays(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Without = []string{"authz"}
	h := open(t, cfg)
	asked := make(chan string, 1)
	h.answers(t, "hub.svc.authz.connect", func(m *nats.Msg) {
		asked <- string(m.Data)
		_ = m.Respond([]byte(`{"allow":false,"code":"unauthorized","message":"not now"}`))
	})
	trusting := config(t).Gateway
	trusting.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	trusts, _ := h.addGateway(t, trusting)
	for name, c := range map[string]struct {
		gateway               *gateway.Server
		forwarded, real, want string
	}{
		"of nobody trusted":            {h.mesh.Gateways()[0], "192.0.2.1", "192.0.2.2", "127.0.0.1"},
		"of a proxy that says nothing": {trusts, "", "", "127.0.0.1"},
		"of a proxy":                   {trusts, "192.0.2.1", "", "192.0.2.1"},
		"of two proxies":               {trusts, "192.0.2.1, 10.1.2.3", "192.0.2.2", "192.0.2.1"},
		"after what a client invents":  {trusts, "203.0.113.1, 192.0.2.1, 10.1.2.3", "", "192.0.2.1"},
		"of a proxy with another way":  {trusts, "", "2001:db8::1", "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if c.forwarded != "" {
				header.Set("X-Forwarded-For", c.forwarded)
			}
			if c.real != "" {
				header.Set("X-Real-IP", c.real)
			}
			_ = refused(t, c.gateway, hub.Config{Token: "x", Header: header})
			if err := like(<-asked, `{"token":"x","door":"native","ip":"`+c.want+`","origin":""}`); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestASilentAuthzLetsNobodyIn(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Without = []string{"authz"}
	cfg.Gateway.DecideWait = time.Second
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
