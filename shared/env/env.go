// Package env reads a program's configuration from the environment: typed,
// all faults at once, and printed by the program itself.
//
// It does not know what is configured. A program's config.go makes a Set,
// binds each variable to a field of its Config, and calls Parse; --help and
// docs/config.md are printed from the same Set, so they cannot differ from
// what is read. Read this file first; values.go has the types of values.
package env

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Set is the variables of one program. Several parts of it may bind the same
// variable, each to a field of its own: it is printed, and its fault told,
// once. Not safe for concurrent use.
type Set struct {
	lookup func(string) (string, bool)
	vars   []variable
	faults []error
}

type variable struct{ name, def, help string }

// New returns an empty Set that reads with lookup, for example os.LookupEnv.
func New(lookup func(string) (string, bool)) *Set { return &Set{lookup: lookup} }

// value registers a variable and returns its text: what is set, or else def. A
// variable that is set to nothing counts as not set.
func (s *Set) value(name, def, help string) (text string, set bool) {
	if !slices.ContainsFunc(s.vars, func(v variable) bool { return v.name == name }) {
		s.vars = append(s.vars, variable{name, def, help})
	}
	if v, ok := s.lookup(name); ok && v != "" {
		return v, true
	}
	return def, false
}

// bind reads a variable with parse, and notes the fault under its name. Only
// faults of what was set can be a user's; a faulty default panics, as it is a
// programmer's mistake.
func bind[T any](s *Set, p *T, name, def, help string, parse func(string) (T, error)) (set bool) {
	text, set := s.value(name, def, help)
	if text == "" {
		return false
	}
	v, err := parse(text)
	switch {
	case err == nil:
		*p = v
	case set:
		s.Fault(name, err.Error())
	default:
		panic("env: default of " + name + ": " + err.Error())
	}
	return set
}

// Fault notes something wrong that concerns a variable or several together.
func (s *Set) Fault(name, text string) {
	fault := name + ": " + text
	if !slices.ContainsFunc(s.faults, func(f error) bool { return f.Error() == fault }) {
		s.faults = append(s.faults, errors.New(fault))
	}
}

// Parse returns all faults found so far in one error, a line each, or nil.
// Nothing in it is a variable's value where that may be a secret.
func (s *Set) Parse() error { return errors.Join(s.faults...) }

// Usage prints every variable with its default and what it means, a line or
// more each, in the order they were bound.
func (s *Set) Usage(w io.Writer) {
	for _, v := range s.vars {
		def := v.def
		if def == "" {
			def = "none"
		}
		fmt.Fprintf(w, "  %s (default: %s)\n      %s\n", v.name, def, v.help)
	}
}

// Table prints the same as rows of a Markdown table.
func (s *Set) Table(w io.Writer) {
	fmt.Fprint(w, "| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range s.vars {
		def := "–"
		if v.def != "" {
			def = "`" + v.def + "`"
		}
		fmt.Fprintf(w, "| `%s` | %s | %s |\n", v.name, def, strings.ReplaceAll(v.help, "|", `\|`))
	}
}
