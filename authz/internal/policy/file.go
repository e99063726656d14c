package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// MaxBytes bounds a file and a value of the bucket.
const MaxBytes = 256 << 10

// Fault is one thing that is wrong with a policy. It reads
//
//	policy.yaml:3: task.publish: undeclared reference to 'claim' (did you mean 'claims'?)
type Fault struct {
	Name string // of the file
	Line int    // from 1
	What string // where in the policy: task.publish; may be empty
	Text string
}

func (f *Fault) Error() string {
	if f.What == "" {
		return fmt.Sprintf("%s:%d: %s", f.Name, f.Line, f.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", f.Name, f.Line, f.What, f.Text)
}

// File is what one file says: a policy, and each type's part of its text.
type File struct {
	Policy Policy
	Values map[string][]byte // by type: what stands in the bucket
}

// ReadFile reads a whole policy. name is what faults call it. The error joins
// a *Fault for each thing that is wrong.
func ReadFile(name string, text []byte) (File, error) {
	r, node, err := open(name, text)
	if err != nil {
		return File{}, err
	}
	f := File{Policy: Policy{}, Values: map[string][]byte{}}
	for typ, part := range r.entries(node, "", "rules of a type of rooms, as in task: {join: member(room)}") {
		if f.Policy[typ.Value] != nil {
			r.fault(typ, "", "type "+typ.Value+" stands here twice")
			continue
		}
		f.Policy[typ.Value] = r.rules(typ, typ.Value, part)
		value, err := yaml.Marshal(part)
		if err != nil {
			r.fault(typ, typ.Value, err.Error())
		}
		f.Values[typ.Value] = value
	}
	if err := errors.Join(r.faults...); err != nil {
		return File{}, err
	}
	return f, nil
}

// ReadValue reads the rules of one type, as they stand in the bucket under it.
func ReadValue(name, typ string, text []byte) (*Rules, error) {
	r, node, err := open(name, text)
	if err != nil {
		return nil, err
	}
	rules := r.rules(node, typ, node)
	if err := errors.Join(r.faults...); err != nil {
		return nil, err
	}
	return rules, nil
}

// reader reads one text and gathers what is wrong with it.
type reader struct {
	name   string
	env    *cel.Env
	faults []error
}

func open(name string, text []byte) (*reader, *yaml.Node, error) {
	r := &reader{name: name}
	if len(text) > MaxBytes {
		return nil, nil, &Fault{Name: name, Line: 1, Text: fmt.Sprintf("longer than %d bytes", MaxBytes)}
	}
	var doc, more yaml.Node
	read := yaml.NewDecoder(bytes.NewReader(text))
	if err := read.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, r.yamlFault(err)
	}
	if err := read.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, nil, &Fault{Name: name, Line: max(1, more.Line), Text: "there is more than one document"}
	}
	node := &yaml.Node{Kind: yaml.MappingNode, Line: 1} // an empty text is an empty policy
	if len(doc.Content) > 0 {
		node = doc.Content[0]
	}
	env, err := language()
	if err != nil {
		return nil, nil, err
	}
	r.env = env
	return r, node, nil
}

// yamlFault takes the line out of what the YAML library says.
func (r *reader) yamlFault(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	f := &Fault{Name: r.name, Line: 1, Text: text}
	if at, why, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok {
		if line, err := strconv.Atoi(at); err == nil {
			f.Line, f.Text = line, why
		}
	}
	return f
}

func (r *reader) fault(at *yaml.Node, what, text string) {
	r.faults = append(r.faults, &Fault{Name: r.name, Line: at.Line, What: what, Text: text})
}

// entries is the keys of a mapping with their values, in order. Aliases and
// merges are refused: a text that is written out can be read, and is no longer
// than it looks.
func (r *reader) entries(node *yaml.Node, what, want string) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if node.Kind != yaml.MappingNode {
			r.fault(node, what, "want "+want)
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || value.Kind == yaml.AliasNode {
				r.fault(key, what, "aliases and merges are not taken: write it out")
				continue
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// rules reads one type's part. They are whole only if nothing was wrong.
func (r *reader) rules(at *yaml.Node, typ string, part *yaml.Node) *Rules {
	if text := wrongType(typ); text != "" {
		r.fault(at, typ, text)
		return Broken(typ, nil)
	}
	found := map[string]*rule{}
	for key, value := range r.entries(part, typ, "rules, as in {join: member(room), publish: \"false\"}") {
		name := typ + "." + key.Value
		if !slices.Contains(ruleNames(), key.Value) {
			r.fault(key, name, "there is no such right: want one of "+strings.Join(ruleNames(), ", "))
			continue
		}
		if _, ok := found[key.Value]; ok {
			r.fault(key, name, "it stands here twice")
			continue
		}
		found[key.Value] = r.rule(name, key.Value, value)
	}
	if _, ok := found[joinRule]; !ok && part.Kind == yaml.MappingNode {
		r.fault(at, typ, "join is missing, and what is not named is as join")
	}
	rules := &Rules{typ: typ}
	for i, name := range ruleNames() {
		if found[name] == nil {
			name = joinRule
		}
		rules.rules[i] = found[name]
	}
	return rules
}

// wrongType says why there can be no rules for a type, or nothing.
func wrongType(typ string) string {
	switch _, err := subject.ParseRoom(typ + ":x"); {
	case err != nil:
		return "that is no type of rooms: want a small letter, then up to 31 small letters, digits and hyphens"
	case typ == subject.All().Type:
		return "these rooms are hubmesh's own, and everyone is in them: no rule can change that"
	}
	return ""
}

func (r *reader) rule(name, right string, value *yaml.Node) *rule {
	if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
		r.fault(value, name, "want an expression, as in member(room) or \"true\"")
		return nil
	}
	compiled, flaws := compile(r.env, right, value.Value)
	for _, f := range flaws {
		r.faults = append(r.faults, &Fault{Name: r.name, Line: lineOf(value, f.line), What: name, Text: f.text})
	}
	return compiled
}

// lineOf is the line of the file where a line of an expression stands. Only a
// literal block keeps its lines, and they begin below its mark.
func lineOf(value *yaml.Node, line int) int {
	if value.Style&yaml.LiteralStyle != 0 {
		return value.Line + line
	}
	return value.Line
}

// Types is the types that a policy has rules for, ascending.
func (p Policy) Types() []string { return slices.Sorted(maps.Keys(p)) }
