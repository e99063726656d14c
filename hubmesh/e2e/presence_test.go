package e2e

import (
	"testing"
	"time"
)

func TestAUserIsInARoomFromTheFirstConnectionToTheLast(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann", "task:42")
	if got := ann.names(); len(got) != 1 || got[0] != "ann" {
		t.Fatalf("the roster is %q, want ann herself", got)
	}
	laptop := viewIn(t, g2, "bob", "task:42")
	ann.expect("bob join")
	phone := viewIn(t, g1, "bob", "task:42")
	laptop.say("unsubscribe", `{"rooms":["task:42"]}`)
	ann.quiet(h, g1) // another connection of bob's is there
	phone.say("unsubscribe", `{"rooms":["task:42"]}`)
	begun := time.Now()
	ann.expect("bob leave")
	if took := time.Since(begun); took > 4*time.Second {
		t.Logf("it was told after %v: too slow a machine to say that nobody waited for the grace", took)
	}
	if status := ann.roster["ann"]; status.Status != "online" || status.Connections != 1 {
		t.Errorf("ann is %+v, want online once", status)
	}
}
