package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// setupWait bounds a setup, NATS's start in the same compose file included.
const setupWait = time.Minute

// setup makes streams and buckets.
type setup struct {
	NewEpoch bool `help:"Also give the log of events a new epoch: after a power loss that may have cost its end, so that no client takes a position of before for one of after."`

	nats   natsconn.Config
	store  store.Config
	prefix string
	level  string
}

// Help is what --help adds.
func (*setup) Help() string {
	return "May be run at any time, also while hubmesh runs. What is there with other limits is left as it is, and the difference is logged. hubmesh dev does it by itself."
}

func (s *setup) bind(set *env.Set) {
	natsconn.Bind(set, &s.nats)
	names.Bind(set, &s.prefix)
	store.Bind(set, &s.store)
	obs.BindLevel(set, &s.level)
}

// Run makes them.
func (s *setup) Run(ctx context.Context, c console) (err error) {
	ctx, cancel := context.WithTimeout(ctx, setupWait)
	defer cancel()
	tree, err := names.Below(s.prefix)
	if err != nil {
		return err
	}
	log := obs.Logger(c.Stderr, s.level, c.Terminal)
	nc, err := natsconn.Open(s.nats, names.Admin, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, natsconn.Drain(nc)) }()
	if err := natsconn.Await(ctx, nc, log); err != nil {
		return err
	}
	if err := store.Setup(ctx, nc, tree, s.store, log); err != nil {
		return err
	}
	if s.NewEpoch {
		if err := store.NewEpoch(ctx, nc, tree); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.Stdout, "%s has a new epoch\n", tree.Stream(names.Events)); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(c.Stdout, "the streams and buckets below %s are there\n", tree.Prefix())
	return err
}
