package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// may is what a user may do in room:1 of a type with these rules, in short:
// the first letter of every right, in capitals for signal and presence.
func may(d policy.Decision) (letters string) {
	for _, right := range d.Can {
		if right == wire.Signal || right == wire.Presence {
			right = wire.Right(strings.ToUpper(string(right)))
		}
		letters += string(right)[:1]
	}
	return letters
}

func TestRulesDecide(t *testing.T) {
	for name, c := range map[string]struct {
		rules, claims string
		member        bool
		want          string // of sSpPh
	}{
		"what is not named is as join":             {`{join: "true"}`, `{}`, false, "sSpPh"},
		"true without quotes is an expression too": {`{join: true}`, `{}`, false, "sSpPh"},
		"nobody":                                   {`{join: "false"}`, `{}`, true, ""},
		"each right may have its own":              {`{join: "true", signal: "false", publish: "false", presence: "false", history: "false"}`, `{}`, false, "s"},
		"a right without join":                     {`{join: "false", publish: "true"}`, `{}`, false, "p"},
		"a member":                                 {`{join: member(room)}`, `{}`, true, "sSpPh"},
		"no member":                                {`{join: member(room)}`, `{}`, false, ""},
		"no member by a negation":                  {`{join: "!member(room)"}`, `{}`, false, "sSpPh"},
		"user, type and id":                        {`{join: user == "ann" && room.type == "room" && room.id == "1"}`, `{}`, false, "sSpPh"},
		"an id in a claim's list":                  {`{join: "\"rooms\" in claims && room.id in claims.rooms"}`, `{"rooms":["1"]}`, false, "sSpPh"},
		"a claim that is missing denies":           {`{join: "room.id in claims.rooms"}`, `{}`, false, ""},
		"a claim that is missing beside true":      {`{join: "room.id in claims.rooms || member(room)"}`, `{}`, true, "sSpPh"},
		"a claim of another kind denies":           {`{join: "room.id in claims.rooms"}`, `{"rooms":7}`, false, ""},
		"a claim of another kind denies that only": {`{join: "true", publish: claims.level > 3}`, `{"level":"high"}`, false, "sSPh"},
		"a number of JSON against a whole one":     {`{join: claims.level > 3}`, `{"level":4}`, false, "sSpPh"},
		"a number of JSON that is equal":           {`{join: claims.level == 4}`, `{"level":4}`, false, "sSpPh"},
		"a claim that is true":                     {`{join: claims.admin == true}`, `{"admin":true}`, false, "sSpPh"},
		"a claim within a claim":                   {`{join: claims.org.plan == "pro"}`, `{"org":{"plan":"pro"}}`, false, "sSpPh"},
		"a claim with dots in its name":            {`{join: 'claims["https://x.example/roles"].exists(r, r == "editor")'}`, `{"https://x.example/roles":["viewer","editor"]}`, false, "sSpPh"},
		"a claim that is nothing":                  {`{join: claims.admin == true}`, `{"admin":null}`, false, ""},
		"no claims at all":                         {`{join: '!("readonly" in claims)'}`, `null`, false, "sSpPh"},
		"more steps than a rule may take":          {`{join: "claims.a.all(x, claims.a.all(y, claims.a.all(z, x+y+z >= 0)))"}`, `{"a":[` + strings.Repeat("1,", 200) + `1]}`, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := read(t, "room: "+c.rules).Policy
			a := policy.Ask{User: "ann", Claims: claims(t, c.claims), Room: room(t, "room:1"), Member: func() bool { return c.member }}
			got := p.Decide(a)
			if may(got) != c.want || (got.Code == "") != (c.want != "") {
				t.Errorf("%s with %s: may %q (%s, fault %v), want %q", c.rules, c.claims, may(got), got.Code, got.Fault, c.want)
			}
			for right, why := range p.Explain(a) {
				if why.Allow != slices.Contains(got.Can, right) {
					t.Errorf("%s is explained as %v", right, why)
				}
			}
		})
	}
}

func TestARuleThatCannotBeWorkedOutSaysSo(t *testing.T) {
	p := read(t, "room:\n  join: 'true'\n  publish: claims.level > 3").Policy
	got := p.Decide(policy.Ask{User: "ann", Room: room(t, "room:1")})
	const want = "policy: work out room.publish: no such key: level"
	if got.Fault == nil || got.Fault.Error() != want {
		t.Errorf("fault is %v, want %s", got.Fault, want)
	}
}

func TestMembershipIsAskedForOnceAndOnlyIfARuleWantsIt(t *testing.T) {
	p := read(t, "room: {join: user == 'ann' || member(room), publish: member(room), history: member(room) && true}").Policy
	for user, want := range map[string]int{"ann": 1, "bob": 1} {
		asked := 0
		p.Decide(policy.Ask{User: user, Room: room(t, "room:1"), Member: func() bool { asked++; return true }})
		if asked != want {
			t.Errorf("for %s it is asked %d times, want %d", user, asked, want)
		}
	}
	p = read(t, "room: {join: user == 'ann' || member(room)}").Policy
	p.Decide(policy.Ask{User: "ann", Room: room(t, "room:1"), Member: func() bool { t.Error("it is asked for nothing"); return true }})
}

func TestWhatIsWrittenReplacesWhatIsBuiltIn(t *testing.T) {
	p := read(t, "task: {join: 'false'}\nuser: {join: user == 'root'}").Policy
	for _, c := range []struct{ user, claims, room, want string }{
		{"ann", `{"tasks":["42"]}`, "task:42", ""},
		{"ann", `{"teams":["red"]}`, "team:red", "sSpPh"},
		{"root", `{}`, "user:ann", "sSpPh"},
		{"ann", `{}`, "user:ann", ""},
		{"ann", `{}`, "hub:all", "sh"},
		{"ann\n", `{}`, "hub:all", ""},
	} {
		if got := may(p.Decide(policy.Ask{User: c.user, Claims: claims(t, c.claims), Room: room(t, c.room)})); got != c.want {
			t.Errorf("%s in %s may %q, want %q", c.user, c.room, got, c.want)
		}
	}
	broken := policy.Policy{"task": policy.Broken("task", fmt.Errorf("task cannot be read")), "hub": policy.Broken("hub", nil)}
	a := policy.Ask{User: "ann", Claims: claims(t, `{"tasks":["42"]}`), Room: room(t, "task:42")}
	if got := broken.Decide(a); may(got) != "" || got.Fault == nil {
		t.Errorf("rules that cannot be read: %v", got)
	}
	if got := broken.Explain(a)[wire.Publish]; got.Allow || got.Error == "" {
		t.Errorf("rules that cannot be read are explained as %v", got)
	}
}

func TestExplainNamesRuleAndClaims(t *testing.T) {
	p := read(t, `
task:
  join: member(room) || ("tasks" in claims && room.id in claims.tasks) || claims["role"] == "root"
  publish: claims.size() > 1
`).Policy
	a := policy.Ask{User: "ann", Claims: claims(t, `{"sub":"ann","tasks":["42"],"role":"x","teams":["red"]}`), Room: room(t, "task:42")}
	got := p.Explain(a)
	for right, want := range map[wire.Right]policy.Why{
		wire.History: {Asks: true, ExplainWhy: wire.ExplainWhy{Allow: true, From: "task.join", Claims: []string{"role", "tasks"}, Rule: `member(room) || ("tasks" in claims && room.id in claims.tasks) || claims["role"] == "root"`}},
		wire.Publish: {ExplainWhy: wire.ExplainWhy{Allow: true, From: "task.publish", Claims: []string{"role", "sub", "tasks", "teams"}, Rule: "claims.size() > 1"}},
	} {
		if g, w := fmt.Sprint(got[right]), fmt.Sprint(want); g != w {
			t.Errorf("%s is explained as %s, want %s", right, g, w)
		}
	}
	a.Room = room(t, "team:red")
	want := policy.Why{Asks: true, ExplainWhy: wire.ExplainWhy{Allow: true, From: policy.BuiltIn, Claims: []string{"teams"}, Rule: "members; or the claim teams holds the id; or the claim rooms holds the room or team:*"}}
	if g := fmt.Sprint(p.Explain(a)[wire.Signal]); g != fmt.Sprint(want) {
		t.Errorf("a built-in rule is explained as %s, want %s", g, fmt.Sprint(want))
	}
}

// BenchmarkDecide is a decision for five rooms, without the bus.
func BenchmarkDecide(b *testing.B) {
	written := read(b, "task: {join: 'member(room) || (\"tasks\" in claims && room.id in claims.tasks)', publish: 'member(room) && !(\"readonly\" in claims)'}").Policy
	var c policy.Claims
	if err := json.Unmarshal([]byte(`{"sub":"ann","teams":["red","blue"],"tasks":["1","2","3","4","5"]}`), &c); err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]policy.Policy{"written": written, "built-in": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, id := range []string{"1", "2", "3", "4", "6"} {
					a := policy.Ask{User: "ann", Claims: c, Room: room(b, "task:"+id), Member: func() bool { return true }}
					if d := p.Decide(a); len(d.Can) != 5 {
						b.Fatalf("may %v", d)
					}
				}
			}
		})
	}
}
