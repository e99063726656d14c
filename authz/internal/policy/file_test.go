package policy_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/policy"
)

func TestAPolicyWithAFaultIsRefusedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a name that is none":              {"task:\n  join: member(rom)", "p.yaml:2: task.join: undeclared reference to 'rom'"},
		"a field that rooms do not have":   {"task:\n  join: room.name == 'x'", "p.yaml:2: task.join: undefined field 'name'"},
		"what does not parse":              {"task:\n  join: member(room) ||", "p.yaml:2: task.join: Syntax error: mismatched input '<EOF>'"},
		"a text":                           {"task:\n  join: user", "p.yaml:2: task.join: it is no rule: want true or false, not a string"},
		"a claim by itself":                {"task:\n  join: claims.admin", "p.yaml:2: task.join: it is no rule: want true or false, not a dyn: compare it, as in claims.admin == true"},
		"a member of something else":       {"task:\n  join: member(\"team:red\")", "p.yaml:2: task.join: found no matching overload for 'member' applied to '(string)'"},
		"a room that a rule makes up":      {"task:\n  join: member(room{id: 'x'})", ""},
		"the line within a block":          {"task:\n  join: |\n    member(room) &&\n    usr == 'x'\n", "p.yaml:4: task.join: undeclared reference to 'usr'"},
		"a right that is none":             {"task:\n  join: 'true'\n  write: 'true'", "p.yaml:3: task.write: there is no such right: want one of join, signal, publish, presence, history"},
		"the wire's name for join":         {"task:\n  join: 'true'\n  subscribe: 'true'", "p.yaml:3: task.subscribe: there is no such right"},
		"no join":                          {"\ntask:\n  publish: 'true'", "p.yaml:2: task: join is missing, and what is not named is as join"},
		"a rule that is nothing":           {"task:\n  join:", "p.yaml:2: task.join: want an expression"},
		"a rule that is a list":            {"task:\n  join: [a]", "p.yaml:2: task.join: want an expression"},
		"rules that are a text":            {"task: member(room)", "p.yaml:1: task: want rules"},
		"a type that is none":              {"Task: {join: 'true'}", "p.yaml:1: Task: that is no type of rooms"},
		"a type that is hubmesh's":         {"hub: {join: 'true'}", "p.yaml:1: hub: these rooms are hubmesh's own"},
		"a type twice":                     {"a: {join: 'true'}\na: {join: 'true'}", "p.yaml:2: type a stands here twice"},
		"a right twice":                    {"a:\n  join: 'true'\n  join: 'false'", "p.yaml:3: a.join: it stands here twice"},
		"an alias":                         {"a: &x {join: 'true'}\nb: *x", "p.yaml:2: aliases and merges are not taken"},
		"a merge":                          {"a: &x {join: 'true'}\nb:\n  <<: *x\n  publish: 'true'", "p.yaml:3: b: aliases and merges are not taken"},
		"a list":                           {"- a", "p.yaml:1: want rules of a type of rooms"},
		"what is no YAML":                  {"a: {join: 'true'\nb: 1", "p.yaml:1: did not find expected ',' or '}'"},
		"a second document":                {"a: {join: 'true'}\n---\nb: {join: 'true'}", "p.yaml:2: there is more than one document"},
		"more than a policy may be":        {strings.Repeat("#", policy.MaxBytes+1), "p.yaml:1: longer than 262144 bytes"},
		"a rule longer than one may be":    {"a: {join: 'true || " + strings.Repeat(" ", 5000) + " true'}", "p.yaml:1: a.join: "},
		"a rule deeper than one may be":    {"a: {join: '" + strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200) + "'}", "p.yaml:1: a.join: "},
		"a pattern that is none":           {"a: {join: 'user.matches(\"(\")'}", "p.yaml:1: a.join: "},
		"nothing wrong":                    {"a: {join: 'true'}", "-"},
		"nothing at all":                   {"", "-"},
		"a policy that is a remark":        {"# nothing yet\n", "-"},
		"rules without quotes that may be": {"a:\n  join: member(room) && user != 'x'\n  publish: >-\n    member(room)\n    && true", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := policy.ReadFile("p.yaml", []byte(c.text))
			if c.want == "-" {
				if err != nil {
					t.Errorf("ReadFile(%q): %v", c.text, err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || f.Policy != nil {
				t.Errorf("ReadFile(%.80q): %v, want %s", c.text, err, c.want)
			}
			var fault *policy.Fault
			if !errors.As(err, &fault) || fault.Line < 1 {
				t.Errorf("ReadFile(%.80q): %v, want a line", c.text, err)
			}
		})
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	_, err := policy.ReadFile("p.yaml", []byte("a:\n  join: x\n  publish: y\nB: {}\nc: {joins: 'true'}"))
	const want = `p.yaml:2: a.join: undeclared reference to 'x'
p.yaml:3: a.publish: undeclared reference to 'y'
p.yaml:4: B: that is no type of rooms: want a small letter, then up to 31 small letters, digits and hyphens
p.yaml:5: c.joins: there is no such right: want one of join, signal, publish, presence, history
p.yaml:5: c: join is missing, and what is not named is as join`
	if err == nil || err.Error() != want {
		t.Errorf("faults are\n%v\nwant\n%s", err, want)
	}
}

func TestTheValuesOfAFileReadAsTheFile(t *testing.T) {
	f := read(t, "# who works on it\ntask:\n  join: |\n    member(room) || // the team\n    room.id in claims.tasks\n  publish: 'false' # for now\nlobby: { join: \"true\" }\n")
	if got, want := f.Policy.Types(), []string{"lobby", "task"}; !slices.Equal(got, want) || !slices.Equal(slices.Sorted(maps.Keys(f.Values)), want) {
		t.Fatalf("types are %q and %q, want %q", got, slices.Sorted(maps.Keys(f.Values)), want)
	}
	for typ, value := range f.Values {
		rules, err := policy.ReadValue("HUB_POLICY "+typ, typ, value)
		if err != nil {
			t.Fatalf("%s: %v\n%s", typ, err, value)
		}
		a := policy.Ask{User: "ann", Room: room(t, typ+":1"), Member: func() bool { return true }}
		if got, want := may((policy.Policy{typ: rules}).Decide(a)), may(f.Policy.Decide(a)); got != want || got == "" {
			t.Errorf("%s: the value allows %q, the file %q", typ, got, want)
		}
	}
	if _, err := policy.ReadValue("HUB_POLICY task", "task", []byte("join: tru")); err == nil || err.Error() != "HUB_POLICY task:1: task.join: undeclared reference to 'tru'" {
		t.Errorf("a bad value: %v", err)
	}
	if got, want := string(f.Values["lobby"]), "{join: \"true\"}\n"; got != want {
		t.Errorf("the value of lobby is %q, want %q", got, want)
	}
}

// Whatever a file says, it is read or refused with a line, and what is read
// decides without a panic, the same as its values do.
func FuzzReadFile(f *testing.F) {
	for _, text := range []string{
		"", "task: {join: member(room)}", "task:\n  join: |\n    room.id in claims.tasks\n  publish: 'false'", "a: &x {join: 'true'}\nb: *x",
		"a: {join: claims.a.exists(x, x == room.id)}", "a: {join: \"true\"}\n---\n", "a: {join: user.matches('a+')}", "? [a]\n: {b: c}",
	} {
		f.Add(text)
	}
	claims := claims(f, `{"tasks":["1"],"a":["1",2,null,{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := policy.ReadFile("p", []byte(text))
		var fault *policy.Fault
		if err != nil {
			if !errors.As(err, &fault) || fault.Line < 1 {
				t.Errorf("%q is refused without a line: %v", text, err)
			}
			return
		}
		for typ, value := range file.Values {
			rules, err := policy.ReadValue("v", typ, value)
			if err != nil {
				t.Fatalf("the value of %s in %q, %q, is refused: %v", typ, text, value, err)
			}
			a := policy.Ask{User: "ann", Claims: claims, Room: room(t, typ+":1"), Member: func() bool { return true }}
			if got, want := may((policy.Policy{typ: rules}).Decide(a)), may(file.Policy.Decide(a)); got != want {
				t.Errorf("%q decides %q as a value, %q as a file", text, got, want)
			}
		}
	})
}

func ExampleReadFile() {
	_, err := policy.ReadFile("policy.yaml", []byte("task:\n  join: member(room)\n  publish: member(room) && !readonly\n"))
	fmt.Println(err)
	// Output:
	// policy.yaml:3: task.publish: undeclared reference to 'readonly'
}
