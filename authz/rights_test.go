package authz_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// house is a replica of authz over buckets that a test writes into.
type house struct {
	t  *testing.T
	nc *nats.Conn
	js jetstream.JetStream
}

// newHouse starts a replica, on a connection of its own, after prepare.
func newHouse(t *testing.T, cfg authz.Config, prepare ...func(h *house)) *house {
	t.Helper()
	s, nc := natstest.Mesh(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t, nc, js}
	for _, p := range prepare {
		p(h)
	}
	cfg.Secret = secret
	start(t, natstest.Conn(t, s), cfg, quiet())
	return h
}

// put writes a value under a key, and returns its sequence.
func (h *house) put(bucket, key, value string) uint64 {
	h.t.Helper()
	kv, err := h.js.KeyValue(h.t.Context(), bucket)
	if err != nil {
		h.t.Fatal(err)
	}
	at, err := kv.Put(h.t.Context(), key, []byte(value))
	if err != nil {
		h.t.Fatalf("%s %s: %v", bucket, key, err)
	}
	return at
}

// relate writes facts, and returns the last one's sequence.
func (h *house) relate(keys ...string) (at uint64) {
	h.t.Helper()
	for _, key := range keys {
		at = h.put("HUB_RELATIONS", key, "")
	}
	return at
}

// drop deletes a key, and returns the sequence of its marker.
func (h *house) drop(bucket, key string) uint64 {
	h.t.Helper()
	kv, err := h.js.KeyValue(h.t.Context(), bucket)
	if err == nil {
		err = kv.Delete(h.t.Context(), key)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	info, err := h.js.Stream(h.t.Context(), "KV_"+bucket)
	if err != nil {
		h.t.Fatal(err)
	}
	return info.CachedInfo().State.LastSeq
}

// can is what a user may do in a room, by an answer made of at least so much.
func (h *house) can(user, room string, least wire.Marks) (can []wire.Right) {
	h.t.Helper()
	got, err := call[wire.JoinAnswer](h.t, h.nc, "join", wire.JoinAsk{User: user, Rooms: []string{room}, AtLeast: &least})
	if err != nil {
		h.t.Fatalf("%s in %s: %v", user, room, err)
	}
	return got.Rooms[room].Can
}

func (h *house) wantCan(user, room string, least wire.Marks, want int) {
	h.t.Helper()
	if can := h.can(user, room, least); len(can) != want {
		h.t.Errorf("%s in %s may %v, want %d rights", user, room, can, want)
	}
}

func TestRelationsCountFromTheMomentTheyAreWritten(t *testing.T) {
	h := newHouse(t, authz.Config{}, func(h *house) { h.relate("team.red.member.user.ann") })
	h.wantCan("ann", "team:red", wire.Marks{}, 5) // what was there before it is known from the start
	at := h.relate("project.7.parent.team.red", "task.42.parent.project.7", "not.a.fact")
	h.wantCan("ann", "task:42", wire.Marks{Relations: at}, 5)
	h.wantCan("bob", "task:42", wire.Marks{Relations: at}, 0)
	at = h.drop("HUB_RELATIONS", "project.7.parent.team.red")
	h.wantCan("ann", "task:42", wire.Marks{Relations: at}, 0)
	h.wantCan("ann", "team:red", wire.Marks{Relations: at}, 5)
}

func TestAPolicyCountsFromTheMomentItIsWritten(t *testing.T) {
	h := newHouse(t, authz.Config{})
	h.wantCan("ann", "task:42", wire.Marks{}, 0)
	at := h.put("HUB_POLICY", "task", `{join: user == "ann", publish: "false"}`)
	h.wantCan("ann", "task:42", wire.Marks{Policy: at}, 4)
	at = h.put("HUB_POLICY", "task", `{join: usr == "bob"}`)
	h.wantCan("ann", "task:42", wire.Marks{Policy: at}, 4) // a bad one is refused, and the old stays
	at = h.put("HUB_POLICY", "hub", `{join: "false"}`)
	h.wantCan("ann", "hub:all", wire.Marks{Policy: at}, 2)
	at = h.drop("HUB_POLICY", "task")
	h.wantCan("ann", "task:42", wire.Marks{Policy: at}, 0) // the built-in one again
}

func TestAPolicyThatWasBadBeforeTheStartAllowsNothing(t *testing.T) {
	h := newHouse(t, authz.Config{}, func(h *house) {
		h.put("HUB_POLICY", "team", `{join: whatever}`)
		h.relate("team.red.member.user.ann", "task.1.member.user.ann")
	})
	h.wantCan("ann", "team:red", wire.Marks{}, 0)
	h.wantCan("ann", "task:1", wire.Marks{}, 5)
	at := h.put("HUB_POLICY", "team", `{join: member(room)}`)
	h.wantCan("ann", "team:red", wire.Marks{Policy: at}, 5)
}

func TestAConfiguredPolicyIsWrittenOnlyWhereThereIsNone(t *testing.T) {
	h := newHouse(t, authz.Config{
		Policy: []byte("lobby: {join: 'false'}\nwiki: {join: user == 'ann'}\ngone: {join: 'true'}\n"), Open: []string{"lobby", "hall"},
	}, func(h *house) {
		h.put("HUB_POLICY", "wiki", `{join: user == "bob"}`)
		h.put("HUB_POLICY", "gone", `{join: "false"}`)
		h.drop("HUB_POLICY", "gone")
	})
	for _, c := range []struct {
		user, room string
		want       int
	}{{"ann", "lobby:1", 0}, {"ann", "hall:1", 5}, {"ann", "wiki:1", 0}, {"bob", "wiki:1", 5}, {"ann", "gone:1", 5}} {
		h.wantCan(c.user, c.room, wire.Marks{}, c.want)
	}
	kv, err := h.js.KeyValue(t.Context(), "HUB_POLICY")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), "hall"); err != nil || string(e.Value()) != "{join: \"true\"}\n" {
		t.Errorf("the bucket has no rule of halls: %v, %v", e, err)
	}
}

func TestATokenThatIsRevokedIsRefused(t *testing.T) {
	issued := time.Now()
	token := func(user string, claims map[string]any) string {
		text, err := authz.Mint(secret, user, claims, time.Hour, issued)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before, after := strconv.FormatInt(issued.Unix(), 10), strconv.FormatInt(issued.Unix()+1, 10)
	h := newHouse(t, authz.Config{}, func(h *house) {
		h.put("HUB_REVOKED", "user.ann=40x", after)
		h.put("HUB_REVOKED", "user.bob", before)
		h.put("HUB_REVOKED", "user.eve", "yesterday")
		h.put("HUB_REVOKED", "jti.t=2e1", after+".5\n")
	})
	for name, c := range map[string]struct {
		token string
		want  bool
	}{
		"a user's token of before":           {token("ann@x", nil), false},
		"a user's token of later":            {token("bob", nil), true},
		"a token of its own id":              {token("carl", map[string]any{"jti": "t.1"}), false},
		"the same user's other token":        {token("carl", map[string]any{"jti": "t.2"}), true},
		"a revocation that cannot be read":   {token("eve", nil), false},
		"a user whose id is another's token": {token("t.1", nil), true},
	} {
		got, err := call[wire.ConnectAnswer](t, h.nc, "connect", wire.ConnectAsk{Token: c.token})
		if err != nil || got.Allow != c.want || !c.want && (got.Code != wire.Unauthorized || got.Message != "the token is revoked") {
			t.Errorf("%s: %+v, %v, want allowed %v", name, got, err, c.want)
		}
	}
}

func TestAnAnswerIsNeverOutOfAPast(t *testing.T) {
	h := newHouse(t, authz.Config{BehindWait: 50 * time.Millisecond})
	at := h.relate("team.red.member.user.ann")
	h.wantCan("ann", "team:red", wire.Marks{Relations: at}, 5)
	ahead := wire.Marks{Relations: at + 1}
	for name, ask := range map[string]any{
		"join":    wire.JoinAsk{User: "ann", Rooms: []string{"team:red"}, AtLeast: &ahead},
		"joins":   wire.JoinsAsk{AtLeast: ahead},
		"touched": wire.TouchedAsk{UpTo: ahead},
	} {
		_, err := call[map[string]any](t, h.nc, name, ask)
		var fault *natsconn.Fault
		if !errors.As(err, &fault) || fault.Code != wire.Unavailable {
			t.Errorf("%s of what is not written yet: %v, want unavailable", name, err)
		}
	}
}

func TestJoinsAnswersManyInTheirOrder(t *testing.T) {
	h := newHouse(t, authz.Config{})
	at := h.relate("team.red.member.user.ann", "team.red.member.user.bob")
	ask := wire.JoinsAsk{AtLeast: wire.Marks{Relations: at}, Asks: []wire.JoinAsk{
		{User: "ann", Rooms: []string{"team:red", "team:blue"}},
		{User: "", Rooms: []string{"team:red"}},
		{User: "eve", Rooms: []string{"team:red"}},
		{User: "bob", Rooms: []string{"team:red"}},
	}}
	got, err := call[wire.JoinsAnswer](t, h.nc, "joins", ask)
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for i, a := range got.Answers {
		for room, rights := range a.Rooms {
			if rights.Allow {
				allowed = append(allowed, fmt.Sprint(i, room))
			}
		}
	}
	if want := []string{"0team:red", "3team:red"}; !slices.Equal(allowed, want) || len(got.Answers) != 4 {
		t.Errorf("joins allows %q of %d, want %q", allowed, len(got.Answers), want)
	}
	for name, ask := range map[string]wire.JoinsAsk{
		"501 questions": {Asks: make([]wire.JoinAsk, 501)},
		"1001 rooms":    {Asks: []wire.JoinAsk{{User: "ann", Rooms: make([]string, 600)}, {User: "bob", Rooms: make([]string, 401)}}},
	} {
		_, err := call[wire.JoinsAnswer](t, h.nc, "joins", ask)
		var fault *natsconn.Fault
		if !errors.As(err, &fault) || fault.Code != wire.TooMany {
			t.Errorf("%s: %v, want too_many", name, err)
		}
	}
}

// known waits until the replica tells whom changes after its marks concern: it
// needs to know that nobody has read more than it when it started.
func (h *house) known() wire.Marks {
	h.t.Helper()
	at := wire.Marks{Policy: h.put("HUB_POLICY", "probe", `{join: "true"}`), Relations: h.relate("probe.1.member.user.probe")}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		next := wire.Marks{Policy: h.put("HUB_POLICY", "probe", `{join: "true"}`), Relations: h.relate("probe.1.member.user.probe")}
		got := h.touched(at, next)
		if !got.All {
			return next
		}
		at = next
	}
	h.t.Fatal("everyone is touched, always")
	return at
}

func (h *house) touched(after, upTo wire.Marks) wire.TouchedAnswer {
	h.t.Helper()
	got, err := call[wire.TouchedAnswer](h.t, h.nc, "touched", wire.TouchedAsk{After: after, UpTo: upTo})
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

func TestTouchedNamesWhomChangesConcern(t *testing.T) {
	h := newHouse(t, authz.Config{}, func(h *house) {
		h.relate("team.red.member.user.ann", "project.7.parent.team.red", "task.42.parent.project.7", "team.blue.member.user.bob")
	})
	at := h.known()
	step := func(name string, upTo wire.Marks, want ...wire.Touched) {
		t.Helper()
		got := h.touched(at, upTo)
		for _, one := range got.Touched {
			slices.Sort(one.Users)
			slices.Sort(one.Rooms)
		}
		if got.All || got.At != upTo || !reflect.DeepEqual(got.Touched, want) {
			t.Errorf("%s: touched = %+v, want %+v", name, got, want)
		}
		at = upTo
	}
	step("nothing", at)
	next := at
	next.Relations = h.relate("team.red.member.user.eve")
	step("a member comes", next, wire.Touched{Users: []string{"eve"}, Rooms: []string{"project:7", "task:42", "team:red"}})
	next.Relations = h.drop("HUB_RELATIONS", "project.7.parent.team.red")
	step("a parent goes", next, wire.Touched{Users: []string{"ann", "eve"}, Rooms: []string{"project:7", "task:42"}})
	next.Policy = h.put("HUB_POLICY", "task", `{join: "true"}`)
	h.relate("project.7.parent.team.nobody", "not.a.fact")
	next.Relations = h.drop("HUB_RELATIONS", "team.red.member.user.ann")
	step("a policy, and more", next, wire.Touched{Types: []string{"task"}}, wire.Touched{Users: []string{"ann"}, Rooms: []string{"team:red"}})
	if got := h.touched(wire.Marks{Relations: 1, Policy: next.Policy}, next); !got.All || got.Touched != nil {
		t.Errorf("since long ago: %+v, want all", got)
	}
}

func TestExplainTellsWhatDecided(t *testing.T) {
	h := newHouse(t, authz.Config{})
	at := h.relate("team.red.member.user.ann", "task.42.parent.team.red")
	policy := h.put("HUB_POLICY", "task", "join: member(room)\npublish: member(room) && claims.level > 3\n")
	h.wantCan("ann", "task:42", wire.Marks{Relations: at, Policy: policy}, 4)
	got, err := call[wire.ExplainAnswer](t, h.nc, "explain", wire.ExplainAsk{User: "ann", Room: "task:42", Claims: map[string]json.RawMessage{"teams": json.RawMessage(`["x"]`)}})
	if err != nil {
		t.Fatal(err)
	}
	chain := []string{"task.42.parent.team.red", "team.red.member.user.ann"}
	want := map[wire.Right]wire.ExplainWhy{
		wire.Subscribe: {Allow: true, Rule: "member(room)", From: "HUB_POLICY task.join", Chain: chain},
		wire.Publish:   {Rule: "member(room) && claims.level > 3", From: "HUB_POLICY task.publish", Chain: chain, Error: "no such key: level"},
	}
	for right, w := range want {
		if g := got.Why[right]; !reflect.DeepEqual(g, w) {
			t.Errorf("%s is explained as %+v, want %+v", right, g, w)
		}
	}
	if len(got.Why) != 5 || !got.Rights.Allow || len(got.Rights.Can) != 4 {
		t.Errorf("explain = %+v, want five reasons and four rights", got)
	}
	for _, ask := range []wire.ExplainAsk{{User: "ann", Room: "task"}, {User: "", Room: "task:42"}} {
		_, err := call[wire.ExplainAnswer](t, h.nc, "explain", ask)
		var fault *natsconn.Fault
		if !errors.As(err, &fault) || fault.Code != wire.Invalid {
			t.Errorf("explain %+v: %v, want invalid", ask, err)
		}
	}
}

func TestAPolicyFileWithAFaultIsAFaultOfTheConfiguration(t *testing.T) {
	_, faults := bound(authz.Require, map[string]string{
		"HUBMESH_JWT_SECRET": secret, "HUBMESH_POLICY_FILE": write(t, []byte("task:\n  join: user\n")),
	})
	if !strings.HasPrefix(faults, "HUBMESH_POLICY_FILE: ") || !strings.HasSuffix(faults, ":2: task.join: it is no rule: want true or false, not a string") {
		t.Errorf("faults are %q", faults)
	}
	cfg, faults := bound(authz.Require, map[string]string{
		"HUBMESH_JWT_SECRET": secret, "HUBMESH_POLICY_FILE": write(t, []byte("task: {join: 'true'}")),
	})
	if faults != "" || string(cfg.Policy) != "task: {join: 'true'}" {
		t.Errorf("a good file is bound as %q, %q", cfg.Policy, faults)
	}
}
