package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// The stories here are told with the authz of the house.

// bare connects a user whose token says nothing else.
func bare(t testing.TB, g *gateway.Server, user string) *hub.Client {
	t.Helper()
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: mint(t, user, nil, 0), Unread: 1 << 14})
	if err != nil {
		t.Fatalf("dial %s: %v", user, err)
	}
	t.Cleanup(func() { _ = c.Cut() })
	return c
}

func TestRightsEndInEveryWay(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	gs := h.mesh.Gateways()
	kv, err := h.js.KeyValue(t.Context(), "HUB_RELATIONS")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := h.js.KeyValue(t.Context(), "HUB_POLICY")
	if err != nil {
		t.Fatal(err)
	}
	set := func(typ, text string) func() {
		return func() {
			if _, err := policy.PutString(t.Context(), typ, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(fact string) func() {
		return func() {
			if err := kv.Delete(t.Context(), fact); err != nil {
				t.Fatal(err)
			}
		}
	}
	set("board", `join: member(room) && !(user in ["mallory"])`)()
	for i, c := range []struct {
		name, room string
		facts      []string
		end        func()
	}{
		{"a member of the room", "task:1", []string{"task.1.member.user.ann0"}, gone("task.1.member.user.ann0")},
		{"a member of what is above", "task:2", []string{"task.2.parent.project.2", "project.2.parent.team.2", "team.2.member.user.ann1"}, gone("team.2.member.user.ann1")},
		{"what is above", "task:3", []string{"task.3.parent.project.3", "project.3.member.user.ann2"}, gone("task.3.parent.project.3")},
		{"a policy that denies", "board:4", []string{"board.4.member.user.ann3"}, set("board", `join: member(room) && !(user in ["ann3"])`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := subject.ParseRoom(c.room)
			if err != nil {
				t.Fatal(err)
			}
			h.relate(append(c.facts, r.Key()+".member.user.bob")...)
			user := fmt.Sprintf("ann%d", i)
			members := []*hub.Client{bare(t, gs[0], user), bare(t, gs[1], user)}
			bob := bare(t, gs[1], "bob")
			for _, m := range append(members, bob) {
				within(t, "in", func() bool { // authz hears of facts in its own time
					in, err := m.Subscribe(t.Context(), hub.Room{Room: c.room})
					return err == nil && len(in.Rooms) == 1
				})
			}
			stop := h.traffic(c.room)
			c.end()
			for _, m := range members {
				putOut(t, m, c.room)
			}
			want := append(stop()[c.room], h.events(c.room, 3)...)
			for _, m := range members {
				silent(t, m, c.room)
			}
			heardExactly(t, bob, c.room, want)
		})
	}
}

func TestAReplayBreaksOffWhereTheRightEnds(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	h.relate("task.7.member.user.ann")
	g := h.mesh.Gateways()[0]
	at := h.at(h.log().Last)
	h.bulk("task:7", 200, 100_000) // 20 MB: more than sockets hold for one who does not read
	k, _ := comeWith(t, g, mint(t, "ann", nil, 0))
	k.say(`{"id":1,"event":"subscribe","data":{"room":"task:7","since":%q}}`, at.String())
	k.hear() // the ack: the replay goes on as long as it is read
	kv, err := h.js.KeyValue(t.Context(), "HUB_RELATIONS")
	if err == nil {
		err = kv.Delete(t.Context(), "task.7.member.user.ann")
	}
	if err != nil {
		t.Fatal(err)
	}
	other := bare(t, g, "ann")
	within(t, "authz knows", func() bool {
		in, err := other.Subscribe(t.Context(), hub.Room{Room: "task:7"})
		return err == nil && len(in.Denied) == 1
	})
	heard := 0
	for frame := k.hear(); like(frame, `{"event":"room:left","data":{"room":"task:7","reason":"<text>"}}`) != nil; frame = k.hear() {
		heard++
	}
	if heard >= 200 {
		t.Error("the whole past was told to who may not hear it")
	}
	k.lives()
}

// decisions is how many answers to connections came from where: asked, shared
// or kept.
func (h *house) decisions(from string) (n float64) {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "hubmesh_gateway_decisions_total" && m.GetLabel()[0].GetValue() == from {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// TestAStormOfReturnsAsksAuthzOnceAUser has each user come back with several
// connections at once.
func TestAStormOfReturnsAsksAuthzOnceAUser(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	users, each := 20, 15
	var facts []string
	tokens := make([]string, users)
	for i := range users {
		tokens[i] = mint(t, fmt.Sprintf("user%d", i), nil, 0)
		for room := range 3 {
			facts = append(facts, fmt.Sprintf("task.%d.member.user.user%d", room, i))
		}
	}
	h.relate(facts...)
	first := bare(t, g, "user0")
	within(t, "the gateway knows that authz tells of changes, and keeps what it says", func() bool {
		before := h.decisions("kept")
		_, err := first.Subscribe(t.Context(), hub.Room{Room: "task:none"})
		return err == nil && h.decisions("kept") > before
	})
	asked := h.decisions("asked")
	var wg sync.WaitGroup
	turn := make(chan int, users*each)
	for i := range users * each {
		turn <- i
	}
	close(turn)
	for range 30 {
		wg.Go(func() {
			for i := range turn {
				c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: tokens[i%users], Unread: 1})
				if err != nil {
					t.Error(err)
					return
				}
				in, err := c.Subscribe(t.Context(), hub.Room{Room: "task:0"}, hub.Room{Room: "task:1"}, hub.Room{Room: "task:2"})
				if err != nil || len(in.Rooms) != 3 {
					t.Errorf("entered %+v, %v", in, err)
				}
				_ = c.Cut()
			}
		})
	}
	wg.Wait()
	n := h.decisions("asked") - asked
	t.Logf("%d connections of %d users: %v questions about rooms, %v answers shared and %v kept", users*each, users, n, h.decisions("shared"), h.decisions("kept"))
	if n > float64(2*users) { // a fact that is heard late drops what is kept about its user
		t.Errorf("%v questions for %d connections of %d users, want about one a user", n, users*each, users)
	}
}
