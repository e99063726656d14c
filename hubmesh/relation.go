package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/kv"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// relation is the commands about who is a member of what, and what lies below
// what: a thin tool over the bucket, for people. Backends write it themselves.
type relation struct {
	Add relationAdd `cmd:"" help:"Say that a user is a member of a room, or that a room lies below another."`
	Rm  relationRm  `cmd:"" help:"Take that back: who may no longer be in a room is out of it within a second."`
	Ls  relationLs  `cmd:"" help:"List what is said."`
}

// fact is one relation, as it is typed.
type fact struct {
	Room     string `arg:"" help:"Room, such as team:red."`
	Relation string `arg:"" enum:"member,parent" help:"member or parent."`
	To       string `arg:"" help:"Of member: the user, such as ann. Of parent: the room above, such as team:red."`

	bus
}

// Help is what --help adds.
func (*fact) Help() string {
	return "A room's members are those that it names, and the members of the rooms above it:\n\n" +
		"  hubmesh relation add team:red member ann\n  hubmesh relation add project:7 parent team:red\n  hubmesh relation add task:42 parent project:7"
}

// read is the fact that was typed.
func (f *fact) read() (names.Fact, error) {
	if err := checkRoom(f.Room); err != nil {
		return names.Fact{}, err
	}
	room, err := names.ParseRoom(f.Room)
	if err != nil {
		return names.Fact{}, err
	}
	made := names.MemberOf(room, f.To)
	if f.Relation == string(names.Parent) {
		if err := checkRoom(f.To); err != nil {
			return names.Fact{}, err
		}
		above, err := names.ParseRoom(f.To)
		if err != nil {
			return names.Fact{}, err
		}
		made = names.ParentOf(room, above)
	}
	if !made.Valid() {
		return names.Fact{}, usage{fmt.Errorf("%s %s %s: a member is a user of 1 to %d bytes, and no room is its own parent", f.Room, f.Relation, f.To, names.MaxUser)}
	}
	return made, nil
}

// write changes the bucket.
func (f *fact) write(ctx context.Context, c console, done string, change func(context.Context, jetstream.KeyValue, string) error) error {
	what, err := f.read()
	if err != nil {
		return err
	}
	return f.use(ctx, c, busWait, func(ctx context.Context, l line) error {
		bucket, err := l.bucket(ctx, names.Relations)
		if err != nil {
			return err
		}
		if err := change(ctx, bucket, what.Key()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%s %s\n", done, written(what))
		return err
	})
}

type relationAdd struct{ fact }

// Run writes the fact.
func (r *relationAdd) Run(ctx context.Context, c console) error {
	return r.write(ctx, c, "added", func(ctx context.Context, bucket jetstream.KeyValue, key string) error {
		_, err := bucket.Put(ctx, key, nil)
		return err
	})
}

type relationRm struct{ fact }

// Run takes the fact out. One that is not there is an error, since it was
// probably meant otherwise.
func (r *relationRm) Run(ctx context.Context, c console) error {
	return r.write(ctx, c, "removed", func(ctx context.Context, bucket jetstream.KeyValue, key string) error {
		if _, err := bucket.Get(ctx, key); errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("there is no %s %s %s", r.Room, r.Relation, r.To)
		} else if err != nil {
			return err
		}
		return bucket.Delete(ctx, key)
	})
}

type relationLs struct {
	Room string `arg:"" optional:"" help:"Only what is said of this room."`

	bus
}

// Run lists facts, a line each, as add and rm take them.
func (r *relationLs) Run(ctx context.Context, c console) error {
	if r.Room != "" {
		if err := checkRoom(r.Room); err != nil {
			return err
		}
	}
	return r.use(ctx, c, busWait, func(ctx context.Context, l line) error {
		all, err := kv.Listen(ctx, l.nc, kv.MirrorConfig[struct{}]{
			Tree: l.tree, Bucket: names.Relations, Keys: ">",
			Read: func([]byte) (struct{}, error) { return struct{}{}, nil },
		}, l.log)
		if err != nil {
			return err
		}
		var lines []string
		for key := range all.All() {
			if f, ok := names.ParseFact(key); !ok {
				lines = append(lines, "not understood: "+key)
			} else if r.Room == "" || f.Room.String() == r.Room {
				lines = append(lines, written(f))
			}
		}
		slices.Sort(lines)
		for _, text := range lines {
			if _, err := fmt.Fprintln(c.Stdout, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// written is a fact as it is typed.
func written(f names.Fact) string {
	if f.Relation == names.Member {
		return strings.Join([]string{f.Room.String(), string(f.Relation), f.To.ID}, " ")
	}
	return f.String()
}
