// Package policy says what a user may do in a room: by rules that people
// write, one set a type of rooms, or by those built in for a type that they
// have written none for.
//
//	task:
//	  join: member(room) || ("tasks" in claims && room.id in claims.tasks)
//	  publish: member(room) && !("readonly" in claims)
//	lobby: { join: "true" }
//
// A rule is an expression of CEL (cel.dev) that is true or false. It may use
// user, a text; claims, a map of the token's; room.type and room.id; and
// member(room), which somebody who knows relations answers. What is not named
// is as join. A rule that cannot be worked out denies.
//
// It asks nobody, keeps nothing, and believes the claims it is given: whoever
// asks has verified them. Rules are compiled once, and bounded: see compile.go.
//
// Read this file first (what is decided), then file.go (what people write),
// compile.go and room.go (what a rule is made of), and builtin.go.
package policy

import (
	"fmt"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Policy is rules by type of rooms. Types that are not in it have the rules
// that are built in. The zero Policy is the built-in policy.
type Policy map[string]*Rules

// Claims are those of a verified token, as encoding/json decodes them into
// any.
type Claims = map[string]any

// Ask is one user in one room.
type Ask struct {
	User   string
	Claims Claims
	Room   subject.Room
	Member func() bool // whether User is a member of Room; called when a rule wants to know
}

// Decision is what a user may do in a room. With Can empty nothing is allowed,
// and Code and Message say why.
type Decision struct {
	Can     []wire.Right
	Code    wire.Code
	Message string
	Fault   error // a rule that could not be worked out, and so denied
}

// joinRule is what people call the right to subscribe.
const joinRule = "join"

// Rights is all there are, in the order in which they are told.
func Rights() []wire.Right {
	return []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}
}

// ruleNames is what people call the rights, in the same order.
func ruleNames() []string {
	names := []string{joinRule}
	for _, right := range Rights()[1:] {
		names = append(names, string(right))
	}
	return names
}

// Decide says what a user may do in a room. What cannot be understood, in
// claims too, allows nothing.
func (p Policy) Decide(a Ask) Decision {
	var d Decision
	switch rules := p.rules(a.Room.Type); {
	case !subject.ValidUser(a.User):
	case rules == nil:
		d.Can = builtin(a)
	default:
		d.Can, d.Fault = rules.decide(a)
	}
	if len(d.Can) == 0 {
		d.Code, d.Message = wire.Forbidden, "no right to "+a.Room.String()
	}
	return d
}

// rules is those of a type, or nil for those built in. hub:all has no others,
// whatever is in p.
func (p Policy) rules(typ string) *Rules {
	if typ == subject.All().Type {
		return nil
	}
	return p[typ]
}

// Rules is what one type of rooms has instead of the built-in rules: a rule a
// right, of which several may be the same. Safe for concurrent use.
type Rules struct {
	typ   string
	rules [5]*rule // in the order of Rights
	fault error    // why there are none; then nothing is allowed
}

// Broken is rules that allow nothing, since they could not be read.
func Broken(typ string, fault error) *Rules { return &Rules{typ: typ, fault: fault} }

func (r *Rules) decide(a Ask) (can []wire.Right, fault error) {
	if r.fault != nil {
		return nil, r.fault
	}
	e := newEval(a)
	can = make([]wire.Right, 0, len(r.rules))
	var join bool
	for i, right := range Rights() {
		allow := join
		if i == 0 || r.rules[i] != r.rules[0] {
			var err error
			if allow, err = r.rules[i].holds(e); err != nil && fault == nil {
				fault = fmt.Errorf("policy: work out %s.%s: %w", r.typ, r.rules[i].name, err)
			}
		}
		if i == 0 {
			join = allow
		}
		if allow {
			can = append(can, right)
		}
	}
	return can, fault
}

// Explain says for each right what decided. From is BuiltIn, or type and name
// of the rule: task.publish. Chain is left to who knows relations, where Asks
// says that membership was asked for.
func (p Policy) Explain(a Ask) map[wire.Right]Why {
	all := make(map[wire.Right]Why, len(Rights()))
	for i, right := range Rights() {
		rules := p.rules(a.Room.Type)
		switch {
		case rules == nil:
			all[right] = explainBuiltin(a, right)
		case rules.fault != nil:
			all[right] = Why{ExplainWhy: wire.ExplainWhy{From: rules.typ, Error: rules.fault.Error()}}
		default:
			all[right] = rules.rules[i].explain(rules.typ, a)
		}
	}
	return all
}

// BuiltIn is where a rule stands that nobody has written.
const BuiltIn = "built-in"

// Why is what decided about one right.
type Why struct {
	wire.ExplainWhy

	Asks bool // the rule asks for membership
}
