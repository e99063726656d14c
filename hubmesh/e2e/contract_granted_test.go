package e2e

import (
	"fmt"
	"testing"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

func TestAuthzMayGiveAConnectionLimitsOfItsOwn(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Without = []string{"authz"}
	h := open(t, cfg)
	h.answers(t, "hub.svc.authz.connect", replies(`{"allow":true,"user":"ann","limits":{"connection.messages":"3/1m","connection.signals":"1/1m","connection.rooms":"1","connection.other":"7","user.messages":"nonsense"}}`))
	h.answers(t, "hub.svc.authz.join", replies(`{"rooms":{"task:1":{"allow":true,"can":["subscribe","signal"]},"task:2":{"allow":true,"can":["subscribe"]},"task:3":{"allow":true,"can":["signal"]}}}`))
	first := come(t, h.mesh.Gateways()[0], "ann")
	second := knock(t, h.mesh.Gateways()[0], hub.Config{})
	second.say(`{"event":"auth","data":{"token":"x"}}`)
	second.hear()
	for _, k := range []talk{first, second} {
		k.asks(`{"id":1,"event":"subscribe","data":["task:1","task:2"]}`, `{"ack":1,"data":{"rooms":`+entered("task:1")+`,"denied":`+denied("too_many", "task:2")+`}}`)
		k.asks(`{"id":2,"event":"publish","data":{"room":"task:3","event":"e"}}`, `{"ack":2,"data":{}}`)
		k.asks(`{"id":3,"event":"publish","data":{"room":"task:3","event":"e"}}`, `{"ack":3,"error":{"code":"rate_limited","message":"<text>","retryAfterMs":"<number>"}}`)
	}
	for n := range 2 {
		first.asks(fmt.Sprintf(`{"id":%d,"event":"unsubscribe","data":"task:9"}`, 10+n), fmt.Sprintf(`{"ack":%d,"data":{}}`, 10+n))
	}
	first.asks(`{"id":20,"event":"unsubscribe","data":"task:9"}`, `{"ack":20,"error":{"code":"rate_limited","message":"<text>","retryAfterMs":"<number>"}}`)
}
