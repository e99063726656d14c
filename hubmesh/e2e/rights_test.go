package e2e

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// The stories here have an authz of their own (rights_house_test.go), so that
// they decide when it says what.

func TestWhoMayNoLongerBeInARoomHearsNothingMoreOfIt(t *testing.T) {
	t.Parallel()
	for name, follows := range map[string]bool{"with an authz that says whom a change touches": true, "with one that does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			cfg.Gateways = 2
			h, r := opened(t, cfg, follows, "ann task:1", "ann task:2", "bob task:1")
			gs := h.mesh.Gateways()
			both := []*hub.Client{dialled(t, gs[0], "ann"), dialled(t, gs[1], "ann")}
			for _, c := range both {
				enter(t, c, hub.Room{Room: "task:1"})
				enter(t, c, hub.Room{Room: "task:2"})
			}
			bob := dialled(t, gs[1], "bob")
			enter(t, bob, hub.Room{Room: "task:1"})
			stop := h.traffic("task:1", "task:2")
			begun := r.change(false)
			for _, c := range both {
				heard := putOut(t, c, "task:1")
				t.Logf("out after %v, %d events heard", time.Since(begun), len(heard))
				if !slices.IsSorted(heard) {
					t.Errorf("heard %v", heard)
				}
			}
			want := append(stop()["task:1"], h.events("task:1", 5)...)
			for _, c := range both {
				silent(t, c, "task:1")
				in, err := c.Subscribe(t.Context(), hub.Room{Room: "task:1"})
				if err != nil || len(in.Denied) != 1 || in.Denied[0].Code != "forbidden" {
					t.Errorf("subscribe again: %+v, %v, want forbidden", in, err)
				}
				_, err = c.Publish(t.Context(), hub.Publication{Room: "task:1", Event: "e", Durable: true})
				var refused *hub.Error
				if !errors.As(err, &refused) || refused.Code != "forbidden" {
					t.Errorf("publish: %v, want forbidden", err)
				}
			}
			heardExactly(t, bob, "task:1", want)
		})
	}
}

func TestAJoinThatWasDecidedBeforeAChangeIsDecidedAgain(t *testing.T) {
	t.Parallel()
	h, r := opened(t, config(t), true, "ann task:1")
	ann := dialled(t, h.mesh.Gateways()[0], "ann")
	decided, changed := make(chan struct{}, 8), make(chan struct{})
	r.mu.Lock()
	r.before = func(wire.JoinAsk) func() { // what was decided is said after the change
		return func() { decided <- struct{}{}; <-changed }
	}
	r.mu.Unlock()
	answer := make(chan hub.Subscribed, 1)
	go func() {
		in, err := ann.Subscribe(t.Context(), hub.Room{Room: "task:1"})
		if err != nil {
			t.Error(err)
		}
		answer <- in
	}()
	<-decided
	before := r.count("touched")
	r.change(false)
	within(t, "the change is worked out", func() bool { return r.count("touched") > before })
	close(changed)
	switch in := <-answer; {
	case len(in.Rooms) == 1: // the old answer came just before the gateway knew whom the change touched
		putOut(t, ann, "task:1")
	case len(in.Denied) != 1 || in.Denied[0].Code != "forbidden":
		t.Errorf("subscribe: %+v, want forbidden", in)
	}
	h.event("task:1", 1)
	silent(t, ann, "task:1")
}

func TestAfterACutRightsComeBeforeEvents(t *testing.T) {
	t.Parallel()
	h, r := opened(t, config(t), true, "ann task:1", "bob task:1")
	g, net := h.addCuttable()
	ann, bob := dialled(t, g, "ann"), dialled(t, g, "bob")
	enter(t, ann, hub.Room{Room: "task:1"})
	enter(t, bob, hub.Room{Room: "task:1"})
	for range 3 {
		net.Cut()
		r.change(false)
		want := h.events("task:1", 40)
		net.Mend()
		if heard := putOut(t, ann, "task:1"); len(heard) > 0 {
			t.Errorf("heard %v that came after the right had ended", heard)
		}
		silent(t, ann, "task:1")
		heardExactly(t, bob, "task:1", want)
		r.change(true)
		within(t, "ann is in again", func() bool {
			in, err := ann.Subscribe(t.Context(), hub.Room{Room: "task:1"})
			return err == nil && len(in.Rooms) == 1
		})
	}
}

func TestNobodyStaysBecauseAuthzIsSilent(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.DecideWait, cfg.Gateway.RightsBound, cfg.Gateway.RightsWait = 200*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond
	h, r := opened(t, cfg, true, "ann task:1")
	g := h.mesh.Gateways()[0]
	ann, bob := dialled(t, g, "ann"), dialled(t, g, "bob")
	enter(t, ann, hub.Room{Room: "task:1"})
	r.mu.Lock() // it takes questions, and answers none
	seq, err := r.kv.Put(t.Context(), "changed.x", nil)
	r.mu.Unlock()
	if err != nil || seq == 0 {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	late := time.After(patience)
	for ended := false; !ended; {
		select {
		case _, more := <-ann.Events():
			ended = !more
		case <-late:
			t.Fatal("ann stays")
		}
	}
	var closed *hub.Closed
	if !errors.As(ann.Err(), &closed) || closed.Code != 1012 {
		t.Errorf("ann ended with %v, want 1012", ann.Err())
	}
	if _, err := bob.Heartbeat(t.Context()); err != nil {
		t.Errorf("bob, who is in no room by the policy: %v", err)
	}
}

func TestRevokedTokensEndEverywhere(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h, _ := opened(t, cfg, true)
	revoked, err := h.js.KeyValue(t.Context(), "HUB_REVOKED")
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, at string) {
		t.Helper()
		if _, err := revoked.PutString(t.Context(), key, at); err != nil {
			t.Fatal(err)
		}
	}
	gs := h.mesh.Gateways()
	var all []talk // tokens of rules were issued at 1000
	for _, g := range gs {
		for _, user := range []string{"ann", "bob", "cat"} {
			k, _ := comeWith(t, g, user)
			all = append(all, k)
		}
	}
	put("user.cat", "1000") // issued at that very second: not before
	put("user.ann", "1001")
	put("jti.of-bob", "2000\n")
	for i, k := range all {
		if i%3 == 2 {
			k.lives()
			continue
		}
		k.ends(4403)
	}
	for _, g := range gs {
		if r := refused(t, g, hub.Config{Token: "ann"}); r.Status != 401 || r.Code != "unauthorized" {
			t.Errorf("ann is answered %+v, want 401 unauthorized", r)
		}
	}
	first := knock(t, gs[0], hub.Config{})
	first.asks(`{"id":1,"event":"auth","data":{"token":"bob"}}`, `{"ack":1,"error":{"code":"unauthorized","message":"<text>"}}`)
	first.ends(4401)
	all[2].asks(`{"id":1,"event":"auth:refresh","data":{"token":"ann"}}`, `{"ack":1,"error":{"code":"unauthorized","message":"<text>"}}`)
	all[2].lives()
}

// within waits until something is so.
func within(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("not so in %v: %s", patience, what)
		}
	}
}
