package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/store"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// setupWait bounds a setup, NATS's start in the same compose file included.
const setupWait = time.Minute

// setup makes streams and buckets.
type setup struct {
	NewEpoch bool `help:"Also give the log of events a new epoch: after a power loss that may have cost its end, so that no client takes a position of before for one of after."`

	store store.Config
	bus
}

// Help is what --help adds.
func (*setup) Help() string {
	return "May be run at any time, also while hubmesh runs. What is there with other limits is left as it is, and the difference is logged. hubmesh dev does it by itself."
}

func (s *setup) bind(set *env.Set) {
	s.loud = true
	s.bus.bind(set)
	store.Bind(set, &s.store)
}

// Run makes them.
func (s *setup) Run(ctx context.Context, c console) error {
	return s.use(ctx, c, setupWait, func(ctx context.Context, l line) error {
		if err := store.Setup(ctx, l.nc, l.tree, s.store, l.log); err != nil {
			return err
		}
		if s.NewEpoch {
			if err := store.NewEpoch(ctx, l.nc, l.tree); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.Stdout, "%s has a new epoch\n", l.tree.Stream(names.Events)); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(c.Stdout, "the streams and buckets below %s are there\n", l.tree.Prefix())
		return err
	})
}
