package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/kv"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// policy is the commands about who may do what in which type of rooms.
type policy struct {
	Check policyCheck `cmd:"" help:"Say what is wrong with a policy file."`
	Apply policyApply `cmd:"" help:"Let a policy file hold, at once and without a restart."`
	Show  policyShow  `cmd:"" help:"Print the policy that holds, as a file."`
}

// policyFile is a file of rules.
type policyFile struct {
	File string `arg:"" type:"existingfile" help:"YAML: for each type of rooms, rules for join, signal, publish, presence and history."`
}

// read returns what each type says, or all faults.
func (p *policyFile) read() (map[string][]byte, error) {
	text, err := os.ReadFile(p.File)
	if err != nil {
		return nil, err
	}
	values, err := authz.PolicyValues(p.File, text)
	if err != nil {
		return nil, fmt.Errorf("this policy cannot hold:\n%w", err)
	}
	return values, nil
}

// types lists types of rooms.
func types(list []string) string {
	if len(list) == 0 {
		return "no type of rooms"
	}
	return strings.Join(list, ", ")
}

type policyCheck struct{ policyFile }

func (p *policyCheck) bind(*env.Set) {}

// Run says that the file is good, or tells its faults.
func (p *policyCheck) Run(_ context.Context, c console) error {
	values, err := p.read()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s is good: rules for %s\n", p.File, types(slices.Sorted(maps.Keys(values))))
	return err
}

type policyApply struct {
	policyFile
	Prune bool `help:"Take out the types that the file does not name; the built-in rules hold for these then."`

	bus
}

// Help is what --help adds.
func (*policyApply) Help() string {
	return "Whoever may no longer be in a room is out of it within a second. Each type is one key of a bucket and holds from when it is written; nothing is written if anything in the file is wrong."
}

// Run writes the file's types.
func (p *policyApply) Run(ctx context.Context, c console) error {
	values, err := p.read()
	if err != nil {
		return err
	}
	return p.use(ctx, c, busWait, func(ctx context.Context, l line) error {
		bucket, err := l.bucket(ctx, names.Policy)
		if err != nil {
			return err
		}
		for _, typ := range slices.Sorted(maps.Keys(values)) {
			if _, err := bucket.Put(ctx, typ, values[typ]); err != nil {
				return fmt.Errorf("write the rules of %s: %w", typ, err)
			}
		}
		if _, err := fmt.Fprintf(c.Stdout, "applied: %s\n", types(slices.Sorted(maps.Keys(values)))); err != nil {
			return err
		}
		return p.others(ctx, c, l, bucket, values)
	})
}

// others takes out what the file does not name, or says that it still holds.
func (p *policyApply) others(ctx context.Context, c console, l line, bucket jetstream.KeyValue, values map[string][]byte) error {
	held, err := l.policy(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(held, func(typ string, _ []byte) bool { return values[typ] != nil })
	rest := slices.Sorted(maps.Keys(held))
	if len(rest) == 0 {
		return nil
	}
	if !p.Prune {
		_, err := fmt.Fprintf(c.Stdout, "left as they are: %s (--prune takes them out)\n", types(rest))
		return err
	}
	for _, typ := range rest {
		if err := bucket.Delete(ctx, typ); err != nil {
			return fmt.Errorf("take out the rules of %s: %w", typ, err)
		}
	}
	_, err = fmt.Fprintf(c.Stdout, "taken out: %s\n", types(rest))
	return err
}

// policy is what stands in the bucket, by type.
func (l line) policy(ctx context.Context) (map[string][]byte, error) {
	held, err := kv.Listen(ctx, l.nc, kv.MirrorConfig[[]byte]{
		Tree: l.tree, Bucket: names.Policy,
		Read: func(value []byte) ([]byte, error) { return bytes.Clone(value), nil },
	}, l.log)
	if err != nil {
		return nil, err
	}
	return held.All(), nil
}

type policyShow struct{ bus }

// Run prints the bucket as apply takes it.
func (p *policyShow) Run(ctx context.Context, c console) error {
	return p.use(ctx, c, busWait, func(ctx context.Context, l line) error {
		held, err := l.policy(ctx)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			_, err := fmt.Fprintln(c.Stderr, "the built-in policy holds: no rules are written")
			return err
		}
		var said error
		for _, typ := range slices.Sorted(maps.Keys(held)) {
			_, err := fmt.Fprintf(c.Stdout, "%s:\n%s", typ, indented(held[typ]))
			said = errors.Join(said, err)
		}
		return said
	})
}

// indented is a type's rules as they stand below its name.
func indented(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(string(text), "\n") + "\n") {
		b.WriteString("  " + line)
	}
	return b.String()
}
