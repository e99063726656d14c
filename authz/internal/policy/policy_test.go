package policy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func claims(tb testing.TB, text string) (c policy.Claims) {
	tb.Helper()
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		tb.Fatal(err)
	}
	return c
}

func room(tb testing.TB, text string) subject.Room {
	tb.Helper()
	r, err := subject.ParseRoom(text)
	if err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
	return r
}

// read is a policy that is written well.
func read(tb testing.TB, text string) policy.File {
	tb.Helper()
	f, err := policy.ReadFile("policy.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func all() []wire.Right {
	return []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}
}

func TestDecide(t *testing.T) {
	hear := []wire.Right{wire.Subscribe, wire.History}
	for name, c := range map[string]struct {
		user, claims, room string
		want               []wire.Right
	}{
		"one's own room":                     {"ann", `{}`, "user:ann", all()},
		"another's room":                     {"ann", `{}`, "user:bob", nil},
		"another's room that a claim holds":  {"ann", `{"rooms":["user:bob","user:*"],"users":["bob"]}`, "user:bob", nil},
		"a user whose name looks like rooms": {"*", `{}`, "user:ann", nil},
		"nobody's own room":                  {"", `{"rooms":"task:*"}`, "task:42", nil},

		"a team in a list":                         {"ann", `{"teams":["blue","red"]}`, "team:red", all()},
		"a team that is the only one":              {"ann", `{"teams":"red"}`, "team:red", all()},
		"a project in a list":                      {"ann", `{"projects":["7"]}`, "project:7", all()},
		"a task in a list":                         {"ann", `{"tasks":["42"]}`, "task:42", all()},
		"a task that is the only one":              {"ann", `{"tasks":"42"}`, "task:42", all()},
		"a task that is not in the list":           {"ann", `{"tasks":["41","420"]}`, "task:42", nil},
		"a task by its begin":                      {"ann", `{"tasks":"421"}`, "task:42", nil},
		"a task in the list of teams":              {"ann", `{"teams":["42"]}`, "task:42", nil},
		"every id is no id":                        {"ann", `{"tasks":["*"]}`, "task:42", nil},
		"the id that is a star":                    {"ann", `{"tasks":["*"]}`, "task:*", all()},
		"an id with colons":                        {"ann", `{"tasks":["a:b"]}`, "task:a:b", all()},
		"a room in rooms":                          {"ann", `{"rooms":["task:41","task:42"]}`, "task:42", all()},
		"a room that is the only one in rooms":     {"ann", `{"rooms":"task:42"}`, "task:42", all()},
		"every room of a type":                     {"ann", `{"rooms":["team:*","task:*"]}`, "task:42", all()},
		"every room of another type":               {"ann", `{"rooms":["team:*"]}`, "task:42", nil},
		"every room of every type is none":         {"ann", `{"rooms":["*","*:*",":*"]}`, "task:42", nil},
		"a pattern that is none":                   {"ann", `{"rooms":["task:4*"]}`, "task:42", nil},
		"a type that nobody knows":                 {"ann", `{"rooms":["cake:1","cake:*"],"cakes":["1"]}`, "cake:1", nil},
		"no claims at all":                         {"ann", `null`, "task:42", nil},
		"a number is no id":                        {"ann", `{"tasks":[42]}`, "task:42", nil},
		"a list in a list":                         {"ann", `{"tasks":[["42"]]}`, "task:42", nil},
		"an object is no list":                     {"ann", `{"tasks":{"42":true}}`, "task:42", nil},
		"true is no list":                          {"ann", `{"tasks":true,"rooms":true}`, "task:42", nil},
		"a list that holds other things beside":    {"ann", `{"tasks":[null,1,{},"42"]}`, "task:42", all()},
		"the type's name in another case":          {"ann", `{"Tasks":["42"]}`, "task:42", nil},
		"the room of all is heard":                 {"ann", `{}`, "hub:all", hear},
		"the room of all is not spoken in":         {"ann", `{"rooms":["hub:all","hub:*"]}`, "hub:all", hear},
		"another room of the hub":                  {"ann", `{"rooms":["hub:*"]}`, "hub:some", nil},
		"an open type is everyone's":               {"ann", `{}`, "lobby:main", all()},
		"an open type is nobody's without a user":  {"", `{}`, "lobby:main", nil},
		"an open type does not open its neighbour": {"ann", `{}`, "lobby-2:main", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := read(t, `lobby: { join: "true" }`).Policy
			got := p.Decide(policy.Ask{User: c.user, Claims: claims(t, c.claims), Room: room(t, c.room)})
			if !slices.Equal(got.Can, c.want) {
				t.Errorf("Decide(%q, %s, %s) = %v, want %v", c.user, c.claims, c.room, got.Can, c.want)
			}
			if denied := len(c.want) == 0; denied != (got.Code == wire.Forbidden) || denied != (got.Message != "") {
				t.Errorf("Decide(%q, %s, %s) says %q %q", c.user, c.claims, c.room, got.Code, got.Message)
			}
		})
	}
}

func TestNothingIsOpenByItself(t *testing.T) {
	if got := (policy.Policy{}).Decide(policy.Ask{User: "ann", Room: room(t, "lobby:main")}); got.Code != wire.Forbidden {
		t.Errorf("the zero Policy lets everyone into lobby:main: %v", got)
	}
}

func TestMembersHaveTheBuiltInRights(t *testing.T) {
	for name, rights := range map[string][]wire.Right{
		"task:42": all(), "project:7": all(), "team:red": all(), "cake:1": nil, "user:bob": nil, "lobby:main": nil,
	} {
		got := policy.Policy{}.Decide(policy.Ask{User: "ann", Room: room(t, name), Member: func() bool { return true }})
		if !slices.Equal(got.Can, rights) {
			t.Errorf("a member of %s may %v, want %v", name, got.Can, rights)
		}
	}
}

// No claims, whatever they are, open another user's room or an unknown type.
func FuzzDecide(f *testing.F) {
	f.Add("ann", `{"rooms":["user:*"],"tasks":["42"]}`, "task:42")
	f.Add("ann", `{"rooms":"cake:1"}`, "cake:1")
	f.Fuzz(func(t *testing.T, user, text, name string) {
		var c policy.Claims
		r, err := subject.ParseRoom(name)
		if err != nil || json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		known := r == subject.All() || r.Type == "team" || r.Type == "project" || r.Type == "task"
		own := r.Type == "user" && r.ID == user
		if got := (policy.Policy{}).Decide(policy.Ask{User: user, Claims: c, Room: r}); len(got.Can) > 0 && !known && !own {
			t.Errorf("Decide(%q, %s, %s) = %v, want nothing", user, text, name, got.Can)
		}
	})
}

func ExamplePolicy_Decide() {
	var p policy.Policy
	claims := policy.Claims{"teams": []any{"red"}}
	for _, name := range []string{"team:red", "team:blue"} {
		room, err := subject.ParseRoom(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		d := p.Decide(policy.Ask{User: "ann", Claims: claims, Room: room})
		fmt.Printf("%v %q\n", d.Can, d.Message)
	}
	// Output:
	// [subscribe signal publish presence history] ""
	// [] "no right to team:blue"
}
