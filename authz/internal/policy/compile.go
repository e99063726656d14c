package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Bounds of a rule. Rules are people's, but claims are whatever an issuer puts
// into 8 KiB: no token shall make a decision expensive.
const (
	maxRule = 4 << 10 // bytes
	maxDeep = 64      // expressions within one another

	// maxCost is about the steps that working a rule out takes, counted while
	// it is done: one that takes more denies. A usual rule costs 5 to 50, a look
	// through all of the longest claim 20,000. Counting beforehand instead
	// would refuse rules for claims that nobody ever brings.
	maxCost = 100_000
)

// rule is one expression.
type rule struct {
	name    string // the right that it stands under: join
	text    string
	program cel.Program
	claims  []string // that it reads, ascending
	whole   bool     // it reads claims that it does not name
	asks    bool     // it calls member
}

// language is what rules are written in.
func language() (*cel.Env, error) {
	known, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("policy: make types: %w", err)
	}
	room := cel.ObjectType(roomName)
	env, err := cel.NewEnv(
		cel.CustomTypeProvider(provider{known}),
		cel.CustomTypeAdapter(known),
		cel.Variable("user", cel.StringType),
		cel.Variable("claims", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(roomName, room),
		cel.Function("member", cel.Overload("member_room", []*cel.Type{room}, cel.BoolType, cel.UnaryBinding(member))),
		cel.CrossTypeNumericComparisons(true), // JSON knows one kind of numbers
		cel.ParserExpressionSizeLimit(maxRule),
		cel.ParserRecursionLimit(maxDeep),
	)
	if err != nil {
		return nil, fmt.Errorf("policy: make language: %w", err)
	}
	return env, nil
}

func member(room ref.Val) ref.Val {
	e, ok := room.(*eval)
	if !ok {
		return types.WrapErr(errOpaque)
	}
	return types.Bool(e.member())
}

// flaw is what is wrong with an expression, and in which of its lines.
type flaw struct {
	line int // from 1
	text string
}

// compile makes a rule of an expression, or tells all that is wrong with it.
func compile(env *cel.Env, name, text string) (*rule, []flaw) {
	checked, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		var flaws []flaw
		for _, e := range issues.Errors() {
			line, _, _ := strings.Cut(strings.TrimSuffix(e.Message, " (in container '')"), "\n")
			flaws = append(flaws, flaw{max(1, e.Location.Line()), line})
		}
		return nil, flaws
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		hint := ""
		if t.IsExactType(cel.DynType) {
			hint = ": compare it, as in claims.admin == true"
		}
		return nil, []flaw{{1, fmt.Sprintf("it is no rule: want true or false, not a %s%s", t, hint)}}
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, []flaw{{1, err.Error()}}
	}
	r := &rule{name: name, text: text, program: program}
	r.read(checked)
	return r, nil
}

// read notes what the expression reads.
func (r *rule) read(checked *cel.Ast) {
	named := map[int64]bool{} // uses of claims that say which
	ast.PreOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			r.whole = r.whole || e.AsIdent() == "claims" && !named[e.ID()]
			return
		}
		if e.Kind() == ast.SelectKind {
			r.claim(named, e.AsSelect().Operand(), e.AsSelect().FieldName())
			return
		}
		if e.Kind() != ast.CallKind {
			return
		}
		switch call := e.AsCall(); call.FunctionName() {
		case "member":
			r.asks = true
		case operators.Index:
			r.claim(named, call.Args()[0], literal(call.Args()[1]))
		case operators.In:
			r.claim(named, call.Args()[1], literal(call.Args()[0]))
		}
	}))
	slices.Sort(r.claims)
	r.claims = slices.Compact(r.claims)
}

// claim notes a claim's name, if it is claims that it is taken from.
func (r *rule) claim(named map[int64]bool, from ast.Expr, name string) {
	if from.Kind() == ast.IdentKind && from.AsIdent() == "claims" && name != "" {
		named[from.ID()] = true
		r.claims = append(r.claims, name)
	}
}

// literal is the text that an expression is, or nothing.
func literal(e ast.Expr) string {
	if e.Kind() != ast.LiteralKind {
		return ""
	}
	text, _ := e.AsLiteral().Value().(string)
	return text
}

var errNotBool = errors.New("it is neither true nor false")

// holds works the rule out.
func (r *rule) holds(e *eval) (bool, error) {
	value, _, err := r.program.Eval(e)
	if err != nil {
		return false, err
	}
	yes, ok := value.Value().(bool)
	if !ok {
		return false, errNotBool
	}
	return yes, nil
}

// explain works the rule out for one right, and tells what it is made of.
func (r *rule) explain(typ string, a Ask) Why {
	w := Why{Asks: r.asks}
	w.Rule, w.From = r.text, typ+"."+r.name
	allow, err := r.holds(newEval(a))
	if err != nil {
		w.Error = err.Error()
	}
	w.Allow = allow && err == nil
	for name := range a.Claims {
		if r.whole || slices.Contains(r.claims, name) {
			w.Claims = append(w.Claims, name)
		}
	}
	slices.Sort(w.Claims)
	return w
}
