package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// busWait bounds what a command does on NATS, the time until that answers
// included.
const busWait = 15 * time.Second

// bus is how commands reach NATS that work there and not at a gateway: with
// admin rights.
type bus struct {
	nats   natsconn.Config
	prefix string
	level  string
	loud   bool // logs at level info too; else the result is all that is said
}

func (b *bus) bind(set *env.Set) {
	natsconn.Bind(set, &b.nats)
	names.Bind(set, &b.prefix)
	obs.BindLevel(set, &b.level)
}

// line is a connection to NATS, and what to write on it.
type line struct {
	nc   *nats.Conn
	tree names.Tree
	log  *slog.Logger
}

// use connects, does what is to be done within wait, and disconnects.
func (b *bus) use(ctx context.Context, c console, wait time.Duration, do func(context.Context, line) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tree, err := names.Below(b.prefix)
	if err != nil {
		return err
	}
	log := obs.Logger(c.Stderr, b.level, c.Terminal)
	if b.level == "info" && !b.loud {
		log = obs.Logger(c.Stderr, "warn", c.Terminal)
	}
	nc, err := natsconn.Open(b.nats, names.Admin, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, natsconn.Drain(nc)) }()
	if err := natsconn.Await(ctx, nc, log); err != nil {
		return err
	}
	return do(ctx, line{nc, tree, log})
}

// bucket is a bucket of NATS, to write to.
func (l line) bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	js, err := jetstream.New(l.nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, l.tree.Bucket(name))
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, fmt.Errorf("%s is missing: run hubmesh setup", l.tree.Bucket(name))
	}
	return kv, err
}
