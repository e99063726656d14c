package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestAUserIsInARoomFromTheFirstConnectionToTheLast(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann")
	if got := ann.names(); len(got) != 1 || got[0] != "ann" {
		t.Fatalf("the roster is %q, want ann herself", got)
	}
	laptop := viewIn(t, g2, "bob")
	ann.expect("bob join")
	phone := viewIn(t, g1, "bob")
	laptop.say("unsubscribe", `{"rooms":["task:42"]}`)
	ann.quiet(h, g1) // another connection of bob's is there
	begun := time.Now()
	phone.say("unsubscribe", `{"rooms":["task:42"]}`)
	ann.expect("bob leave")
	if took := time.Since(begun); took > 4*time.Second {
		t.Logf("it was told after %v: too slow a machine to say that nobody waited for the grace", took)
	}
	if me := ann.roster["ann"]; me.Status != "online" || me.Connections != 1 || me.Since == 0 || me.LastSeen == 0 {
		t.Errorf("ann is %+v, want online once", me)
	}
}

func TestOnlyThoseWhoAskHearOfPresence(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := view(t, g1, "ann")
	enter(t, ann.c, hub.Room{Room: "task:42"})
	ann.room = "task:42"
	bob := viewIn(t, g2, "bob")
	if got := bob.names(); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("the roster is %q, want bob alone: ann did not ask to be in it", got)
	}
	ann.quiet(h, g1)
	ann.enter()
	ann.sees("ann", "bob")
	bob.expect("ann join")
}

func TestWhoIsBackWithinTheGraceHasNotLeft(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann")
	bob := viewIn(t, g1, "bob")
	ann.expect("bob join")
	if err := bob.c.Cut(); err != nil {
		t.Fatal(err)
	}
	bob = viewIn(t, g2, "bob")
	ann.quiet(h, g1)
	begun := time.Now()
	if err := bob.c.Close(); err != nil {
		t.Fatal(err)
	}
	ann.expect("bob leave")
	if grace := time.Since(begun); grace < 4*time.Second {
		t.Errorf("bob had left after %v, want a grace of 5s", grace)
	}
}

func TestAStatusIsTheUsers(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann")
	laptop, phone := viewIn(t, g2, "bob"), view(t, g1, "bob")
	ann.expect("bob join")
	phone.say("status:change", `{"status":"busy","text":"<lunch>","data":{"until":"<13>"}}`)
	ann.expect("bob status")
	if bob := ann.roster["bob"]; bob.Status != "busy" || bob.Text != "<lunch>" {
		t.Errorf("ann sees %+v, want busy", bob)
	}
	laptop.expect("bob status")
	laptop.wait(func() bool { return len(laptop.mesh) > 0 })
	if c := laptop.mesh[0]; c.Change != "status" || c.Status != "busy" || c.Room != "" {
		t.Errorf("bob's own connection hears %+v of the mesh, want his status", c)
	}
	if late := viewIn(t, g2, "eve"); string(late.roster["bob"].Data) != `{"until":"\u003c13\u003e"}` && string(late.roster["bob"].Data) != `{"until":"<13>"}` {
		t.Errorf("a roster has bob as %+v with data %s", late.roster["bob"], late.roster["bob"].Data)
	}
	ann.expect("eve join")
	laptop.say("status:change", `{"status":"invisible"}`)
	ann.expect("bob leave")
	if me := viewIn(t, g1, "bob"); me.roster["bob"].Status != "invisible" {
		t.Errorf("bob sees himself as %+v, want invisible", me.roster["bob"])
	}
	phone.say("status:change", `{"status":"online"}`)
	ann.expect("bob join")
	ann.quiet(h, g1)
	for _, data := range []string{`{"status":"asleep"}`, `{}`, `{"status":"away","data":[1]}`, `{"status":"away","text":"` + strings.Repeat("x", 257) + `"}`} {
		if _, err := askAs[any](phone, "status:change", json.RawMessage(data)); code(err) != wire.Invalid {
			t.Errorf("status:change %.50s: %v, want invalid", data, err)
		}
	}
}

// code is the code of an ack that is an error.
func code(err error) wire.Code {
	var e *hub.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestWhoIsHereIsAnsweredInPages(t *testing.T) {
	t.Parallel()
	h, g1, _ := twoGateways(t)
	var users []string
	for i := range 450 {
		users = append(users, fmt.Sprintf("user-%03d", i))
	}
	h.elsewhere("far", "task:42", users...)
	ann := view(t, g1, "ann")
	in := ann.enter()
	if len(*in.Presence) != 200 || in.Counts == nil || in.Counts.Users != 451 || in.Counts.Connections != 451 {
		t.Fatalf("the ack has %d users, counts %+v, want 200 of 451", len(*in.Presence), in.Counts)
	}
	var all []string
	for after := ""; ; {
		page, err := askAs[struct {
			Users []seen `json:"users"`
			Next  string `json:"next"`
		}](ann, "presence:get", map[string]string{"room": "task:42", "after": after})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			all = append(all, u.User)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if want := append([]string{"ann"}, users...); !slices.Equal(all, want) {
		t.Errorf("the pages have %d users, want %d", len(all), len(want))
	}
	some, err := askAs[struct {
		Users []seen `json:"users"`
	}](ann, "presence:get", map[string][]string{"users": {"user-007", "stranger", "ann"}})
	if err != nil || len(some.Users) != 2 || some.Users[0].User != "user-007" {
		t.Errorf("of some users are here %+v, %v, want user-007 and ann", some, err)
	}
	bob := view(t, g1, "bob") // shares no room with anyone
	some, err = askAs[struct {
		Users []seen `json:"users"`
	}](bob, "presence:get", map[string][]string{"users": {"user-007", "ann"}})
	if err != nil || len(some.Users) != 0 {
		t.Errorf("bob is told of %+v, %v, want nobody", some, err)
	}
	if _, err := askAs[any](bob, "presence:get", map[string]string{"room": "user:ann"}); code(err) != wire.Forbidden {
		t.Errorf("who is in a room that bob has no right to: %v, want forbidden", err)
	}
}

func TestALargeRoomHearsOneMessageASecond(t *testing.T) {
	t.Parallel()
	h, g1, _ := twoGateways(t)
	var first, second []string
	for i := range 1200 {
		first = append(first, fmt.Sprintf("a-%04d", i))
		second = append(second, fmt.Sprintf("b-%04d", i))
	}
	h.elsewhere("far", "task:42", first...)
	ann := view(t, g1, "ann")
	if in := ann.enter(); in.Counts == nil || in.Counts.Users != 1201 {
		t.Fatalf("counts are %+v, want 1201 users", in.Counts)
	}
	ann.partly = true
	begun := time.Now()
	h.elsewhere("further", "task:42", second...)
	joined := func() (n int) {
		for _, c := range ann.heard {
			if strings.HasPrefix(c, "b-") && strings.HasSuffix(c, " join") {
				n++
			}
		}
		return n
	}
	ann.wait(func() bool { return joined() == len(second) })
	if most := int(time.Since(begun)/time.Second) + 2; ann.messages > most {
		t.Errorf("%d joins were told by %d messages in %v, want at most %d", len(second), ann.messages, time.Since(begun), most)
	}
}

// TestARosterJoinsWhatIsToldAfterIt has users come and go on both gateways while
// others ask who is there: each of them hears a story without a gap and with
// nothing twice, as viewer holds it to, and in the end all see the same.
func TestARosterJoinsWhatIsToldAfterIt(t *testing.T) {
	t.Parallel()
	_, g1, g2 := twoGateways(t)
	const crowd, rounds = 6, 8
	var coming sync.WaitGroup
	for i := range crowd {
		coming.Go(func() {
			g := g1
			if i%2 == 1 {
				g = g2
			}
			c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, fmt.Sprint("user-", i)), Unread: 1 << 16})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { _ = c.Cut() })
			for round := range rounds {
				if _, err := c.Ask(t.Context(), "subscribe", json.RawMessage(`{"room":"task:42","presence":true}`)); err != nil {
					t.Error(err)
				}
				if round == rounds-1 && i > 1 {
					return // those stay
				}
				if _, err := c.Ask(t.Context(), "unsubscribe", json.RawMessage(`{"rooms":["task:42"]}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { coming.Wait(); close(done) }()
	var viewers []*viewer
	for coming := true; coming; {
		select {
		case <-done:
			coming = false
		default:
			g := g1
			if len(viewers)%2 == 0 {
				g = g2
			}
			v := view(t, g, fmt.Sprint("viewer-", len(viewers)))
			v.enter()
			v.enter() // answered anew, and nothing is lost between
			viewers = append(viewers, v)
		}
	}
	want := []string{"user-2", "user-3", "user-4", "user-5"}
	for i := range viewers {
		want = append(want, fmt.Sprint("viewer-", i))
	}
	for _, v := range viewers { // each of whom has checked that joins and leaves alternate
		v.sees(want...)
	}
	t.Logf("%d viewers", len(viewers))
}

func TestWritingIsToldToTheOthers(t *testing.T) {
	t.Parallel()
	_, g1, g2 := twoGateways(t)
	ann, bob := viewIn(t, g1, "ann"), viewIn(t, g2, "bob")
	hears := func(v *viewer, want ...string) {
		t.Helper()
		v.wait(func() bool { return len(v.typing) >= len(want) })
		if !slices.Equal(v.typing, want) {
			t.Fatalf("heard %q, want %q", v.typing, want)
		}
		v.typing = nil
	}
	bob.say("typing:start", `{"room":"task:42"}`)
	hears(ann, "user:typing bob")
	bob.say("typing:start", `{"room":"task:42"}`)
	bob.say("typing:stop", `{"room":"task:42"}`)
	hears(ann, "user:typing bob", "user:stopped-typing bob")
	begun := time.Now()
	bob.say("typing:start", `{"room":"task:42"}`)
	hears(ann, "user:typing bob", "user:stopped-typing bob")
	if took := time.Since(begun); took < 5900*time.Millisecond {
		t.Errorf("bob stopped by himself after %v, want 6s", took)
	}
	bob.say("typing:start", `{"room":"task:42"}`)
	if err := bob.c.Cut(); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	hears(ann, "user:typing bob", "user:stopped-typing bob")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("that bob's connection has ended was told after %v", took)
	}
	if len(bob.typing) > 0 {
		t.Errorf("bob hears that he writes: %q", bob.typing)
	}
	for _, name := range []string{"user:typing", "user:stopped-typing", "presence:update"} {
		_, err := ann.c.Publish(t.Context(), hub.Publication{Room: "task:42", Event: name, Data: json.RawMessage(`{}`)})
		if code(err) != wire.Invalid {
			t.Errorf("a client publishes %s: %v, want invalid", name, err)
		}
	}
}
