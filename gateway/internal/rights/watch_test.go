package rights

import (
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestMembersHearWhomAChangeTouches(t *testing.T) {
	h := newHouse(t, Config{})
	asked := make(chan wire.TouchedAsk, 64)
	answers(h, "touched", func(q wire.TouchedAsk) wire.TouchedAnswer {
		asked <- q
		a := wire.TouchedAnswer{At: wire.Marks{Policy: q.UpTo.Policy, Relations: q.UpTo.Relations + 5}}
		if q.After != q.UpTo {
			a.Touched = []wire.Touched{{Users: []string{"ann"}}}
		}
		return a
	})
	seq := h.put("HUB_RELATIONS", "team.red.member.user.ann", "")
	if c := h.concerning("ann"); c.Concerns("bob", room("task:1")) {
		t.Error("the change concerns bob, who was not named")
	}
	for q := await(t, "a question", asked); q.UpTo.Relations < seq; q = await(t, "a question", asked) {
	}
	if m := h.Desk.marks(); m == nil || m.Relations != seq+5 {
		t.Errorf("authz is asked with at least %+v, want what it said: %d", m, seq+5)
	}
	after := h.put("HUB_POLICY", "task", "x")
	h.concerning("ann")
	for q := await(t, "a question", asked); q.UpTo.Policy != after || q.After.Relations != seq; q = await(t, "a question", asked) {
	}
}

func TestWhoDoesNotSayWhomAChangeTouchesMeansEveryone(t *testing.T) {
	t.Run("because nobody answers", func(t *testing.T) {
		h := newHouse(t, Config{})
		h.put("HUB_RELATIONS", "a.b", "")
		h.concerning("cat")
	})
	t.Run("because it is silent", func(t *testing.T) {
		h := newHouse(t, Config{Wait: 300 * time.Millisecond})
		if _, err := h.backend.SubscribeSync("hub.svc.authz.touched"); err != nil {
			t.Fatal(err)
		}
		h.put("HUB_RELATIONS", "a.b", "")
		h.concerning("cat")
	})
	t.Run("because it has begun later", func(t *testing.T) {
		h := newHouse(t, Config{})
		answers(h, "touched", func(q wire.TouchedAsk) wire.TouchedAnswer { return wire.TouchedAnswer{At: q.UpTo, All: true} })
		h.put("HUB_RELATIONS", "a.b", "")
		h.concerning("cat")
	})
}

func TestABucketThatIsMadeAnewMayHaveTouchedEveryone(t *testing.T) {
	h := newHouse(t, Config{})
	answers(h, "touched", func(q wire.TouchedAsk) wire.TouchedAnswer { return wire.TouchedAnswer{At: q.UpTo} })
	for range 3 {
		h.put("HUB_RELATIONS", "a.b", "")
	}
	if err := h.js.DeleteKeyValue(t.Context(), "HUB_RELATIONS"); err != nil {
		t.Fatal(err)
	}
	if err := store.Setup(t.Context(), h.backend, subject.Tree{}, store.Config{}, h.log); err != nil {
		t.Fatal(err)
	}
	h.put("HUB_RELATIONS", "a.b", "")
	h.concerning("cat")
}

func TestRevocationsAreHeardAndKnown(t *testing.T) {
	h := newHouse(t, Config{})
	h.put("HUB_REVOKED", "user.ann", "1000")
	h.put("HUB_REVOKED", "jti.7", "1000")
	h.put("HUB_REVOKED", "user.cat", "whenever")
	h.put("HUB_REVOKED", "user.dan", "1000")
	for _, want := range []string{"user.ann", "jti.7", "user.cat", "user.dan"} {
		if key := await(t, want, h.revoked); key != want {
			t.Errorf("revoked is %s, want %s", key, want)
		}
	}
	for name, c := range map[string]struct {
		user, claims string
		want         bool
	}{
		"issued before":              {"ann", `{"iat":999}`, true},
		"issued then":                {"ann", `{"iat":1000}`, false},
		"does not say when":          {"ann", `{}`, true},
		"another's":                  {"bob", `{"iat":999}`, false},
		"by its own id":              {"bob", `{"iat":999,"jti":"7"}`, true},
		"by its own id, issued then": {"bob", `{"iat":1001,"jti":"7"}`, false},
		"what cannot be read":        {"cat", `{"iat":999}`, true},
	} {
		if got := h.Watch.Revoked.Voids(c.user, claims(c.claims)); got != c.want {
			t.Errorf("%s: Voids = %v, want %v", name, got, c.want)
		}
	}
}

func TestTheGateOpensAndStaysOpen(t *testing.T) {
	h := newHouse(t, Config{Unheard: 400 * time.Millisecond, Check: 50 * time.Millisecond})
	begun := time.Now()
	for time.Since(begun) < 2*time.Second { // five times what one proof is worth
		h.Gate.Wait()
		h.put("HUB_RELATIONS", "a.b", "")
		h.concerning("cat")
	}
}
