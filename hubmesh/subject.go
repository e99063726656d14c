package main

import (
	"context"
	"fmt"

	"github.com/hubmesh/hubmesh/shared/env"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// subject prints a room's subjects.
type subject struct {
	Room string `arg:"" help:"Room, such as task:42."`

	prefix string
}

func (s *subject) bind(set *env.Set) { names.Bind(set, &s.prefix) }

// Run prints.
func (s *subject) Run(_ context.Context, c console) error {
	if err := checkRoom(s.Room); err != nil {
		return err
	}
	room, err := names.ParseRoom(s.Room)
	if err != nil {
		return err
	}
	tree, err := names.Below(s.prefix)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s  # durable: stored, has an offset\n%s   # a signal: now or never\n", tree.Event(room), tree.Live(room))
	return err
}
