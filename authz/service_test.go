package authz_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestReplicasShareTheQuestionsAndOneIsEnough(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	first, second := quiet(), quiet()
	_, end := start(t, natstest.Conn(t, s), authz.Config{Secret: secret}, first)
	start(t, natstest.Conn(t, s), authz.Config{Secret: secret}, second)
	token := mint(t, nil, 0)
	ask := func(n int) {
		t.Helper()
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if got, err := call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: token}); err != nil || !got.Allow {
					t.Errorf("connect = %+v, %v, want to be allowed", got, err)
				}
			})
		}
		wg.Wait()
	}
	ask(200)
	a, b := counted(t, first, "connects", "allowed"), counted(t, second, "connects", "allowed")
	if a == 0 || b == 0 || a+b != 200 {
		t.Errorf("200 questions were answered %v and %v times, want 200 by both", a, b)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	ask(50)
	if now := counted(t, first, "connects", "allowed"); now != a {
		t.Errorf("a replica that has ended answered %v questions", now-a)
	}
}

// counted is a counter of authz with a result.
func counted(t *testing.T, kit obs.Kit, noun, result string) float64 {
	t.Helper()
	families, err := kit.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "hubmesh_authz_"+noun+"_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no figure of %s with result %s", noun, result)
	return 0
}

func TestItsFiguresAreThereFromTheStart(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	kit := quiet()
	start(t, nc, authz.Config{Secret: secret}, kit)
	for _, f := range [][2]string{{"connects", "unauthorized"}, {"connects", "token_expired"}, {"rooms", "allowed"}, {"rooms", "forbidden"}, {"rooms", "invalid"}} {
		if got := counted(t, kit, f[0], f[1]); got != 0 {
			t.Errorf("%s %s = %v at the start", f[0], f[1], got)
		}
	}
	if _, err := call[wire.JoinAnswer](t, nc, "join", wire.JoinAsk{User: "ann", Rooms: []string{"user:ann", "user:bob", "x"}}); err != nil {
		t.Fatal(err)
	}
	for _, result := range []string{"allowed", "forbidden", "invalid"} {
		if got := counted(t, kit, "rooms", result); got != 1 {
			t.Errorf("rooms %s = %v, want 1", result, got)
		}
	}
}

func TestItIsFoundAsAMicroService(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: secret, Prefix: "acme"}, quiet())
	m, err := nc.Request("$SRV.INFO.hubmesh-authz", nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject+" "+e.QueueGroup)
	}
	var want []string
	for _, endpoint := range []string{"connect", "join", "joins", "touched", "explain"} {
		want = append(want, "acme.svc.authz."+endpoint+" authz")
	}
	if !slices.Equal(subjects, want) {
		t.Errorf("it answers %q, want %q", subjects, want)
	}
}

func TestListenRefusesAConfigThatCannotServe(t *testing.T) {
	s := natstest.Server(t)
	for name, cfg := range map[string]authz.Config{
		"without a key":                  {},
		"with a short secret":            {Secret: "short"},
		"with a file that is no key":     {PublicKeys: []byte("hello")},
		"with a prefix that is none":     {Secret: secret, Prefix: "A"},
		"with an open type that is not":  {Secret: secret, Open: []string{"hub"}},
		"with a policy that has a fault": {Secret: secret, Policy: []byte("task: {join: x}")},
	} {
		if _, err := authz.Listen(t.Context(), cfg, natstest.Conn(t, s), quiet()); err == nil || !strings.HasPrefix(err.Error(), "authz: ") {
			t.Errorf("%s: Listen = %v, want an error of authz", name, err)
		}
	}
}

func TestItIsReadyWhileNATSCarriesItsWords(t *testing.T) {
	cable := natstest.NewWire(t, natstest.Server(t))
	nc := cable.Conn(t)
	server, _ := start(t, nc, authz.Config{Secret: secret}, quiet())
	if err := server.Ready(t.Context()); err != nil {
		t.Errorf("connected: Ready = %v, want nil", err)
	}
	away := nc.StatusChanged(nats.RECONNECTING)
	cable.Cut()
	<-away
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := server.Ready(ctx); err == nil {
		t.Error("cut from NATS: Ready = nil, want an error")
	}
}
