// Package serve is presence on NATS: it hears what gateways report of their
// connections, and answers who is here and which gateways live.
//
// It keeps no record that is not in a bucket, and judges no time: a lease that
// is in the bucket is held. What follows from a record is desk's to do, what
// follows from the end of a lease is sweep's.
//
// Read this file first, then report.go (what is stored) and ask.go (what is
// answered).
package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence/internal/desk"
	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/presence/internal/sweep"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says what is heard and answered. Now must be set.
type Config struct {
	Tree   subject.Tree
	Follow follow.Config // times and sizes
	Now    func() time.Time
	Sweep  sweep.Config
}

// Answers is the micro service and what it answers from. Its methods are safe
// for concurrent use.
type Answers struct {
	nc     *nats.Conn
	tree   subject.Tree
	now    func() time.Time
	svc    *natsconn.Answerer
	ledger *ledger.Ledger
	desk   *desk.Desk
	leases *kv.Mirror[wire.Lease]
	sweep  *sweep.Sweeper
	meter  *meter.Meter
	log    *slog.Logger
}

// answerWait bounds one answer. All come from memory, but for what a gateway
// has just reported.
const answerWait = 2 * time.Second

// errBehind is told while a log is read anew.
var errBehind = errors.New("reads its logs anew")

// Listen reads all leases and all connections, and then begins to be asked: a
// replica that knows too little leaves the answer to others.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Answers, error) {
	a := &Answers{nc: nc, tree: cfg.Tree, now: cfg.Now, meter: m, log: log}
	id := rand.Text()
	var err error
	if a.ledger, err = ledger.New(nc, id); err != nil {
		return nil, fmt.Errorf("presence: %w", err)
	}
	a.leases, err = kv.Listen(ctx, nc, kv.MirrorConfig[wire.Lease]{
		Tree: cfg.Tree, Bucket: subject.Gateways, Follow: cfg.Follow,
		Read:    readLease,
		Changed: func(c kv.Change[wire.Lease]) { a.changed(c) },
	}, log)
	if err != nil {
		return nil, err
	}
	a.desk, err = desk.Listen(ctx, nc, desk.Config{Tree: cfg.Tree, Follow: cfg.Follow, Now: cfg.Now}, a.ledger, m, log)
	if err != nil {
		return nil, err
	}
	a.sweep = sweep.New(cfg.Sweep, cfg.Tree, id, a.desk, a.leases, log)
	if a.svc, err = natsconn.Service(nc, subject.Presence, "who is here", log); err != nil {
		return nil, err
	}
	if err := a.endpoints(ctx); err != nil {
		return nil, errors.Join(err, a.svc.Stop())
	}
	return a, nil
}

// endpoints begins to be asked, and returns when NATS knows of it.
func (a *Answers) endpoints(ctx context.Context) error {
	at := func(name string) string { return a.tree.Svc(subject.Presence, name) }
	return errors.Join(
		answer(ctx, a, "report", a.tree.Report(), reportWait, a.report),
		answer(ctx, a, "room", at("room"), answerWait, a.room),
		answer(ctx, a, "users", at("users"), answerWait, a.users),
		answer(ctx, a, "count", at("count"), answerWait, a.count),
		answer(ctx, a, "gateways", at("gateways"), answerWait, a.gateways),
		natsconn.Flush(ctx, a.nc),
	)
}

// answer adds an endpoint whose answers are counted.
func answer[In, Out any](ctx context.Context, a *Answers, name, subj string, wait time.Duration, f func(context.Context, In) (Out, error)) error {
	return natsconn.Answer(ctx, a.svc, name, subj, wait, func(ctx context.Context, in In) (Out, error) {
		out, err := f(ctx, in)
		result := "ok"
		if fault := (*natsconn.Fault)(nil); errors.As(err, &fault) {
			result = string(fault.Code)
		} else if err != nil {
			result = string(wire.Internal)
		}
		a.meter.Answered(name, result)
		return out, err
	})
}

func readLease(value []byte) (l wire.Lease, err error) {
	err = json.Unmarshal(value, &l)
	return l, err
}

func (a *Answers) changed(c kv.Change[wire.Lease]) {
	switch {
	case !c.Had:
		a.meter.Gateways.Inc()
		a.log.Info("presence: gateway has begun", obs.Gateway, c.Key)
	case !c.Has:
		a.meter.Gateways.Dec()
		a.log.Info("presence: gateway has ended", obs.Gateway, c.Key, "cause", string(c.Cause))
	}
}

// gateways answers every living gateway with its figures.
func (a *Answers) gateways(context.Context, struct{}) (wire.GatewaysAnswer, error) {
	if !a.leases.Whole() {
		return wire.GatewaysAnswer{}, unavailable()
	}
	return wire.GatewaysAnswer{Gateways: a.leases.All()}, nil
}

// Ready returns nil when NATS carries what we say and all logs are known.
func (a *Answers) Ready(ctx context.Context) error {
	if err := natsconn.Flush(ctx, a.nc); err != nil {
		return err
	}
	if !a.leases.Whole() || !a.desk.Whole() {
		return fmt.Errorf("presence: %w", errBehind)
	}
	return nil
}

// Serve follows the logs, does what there is to do and answers until ctx ends.
// All goes on until the last question is answered.
func (a *Answers) Serve(ctx context.Context) error {
	answer := func(followed context.Context) error {
		select {
		case <-ctx.Done():
		case <-followed.Done():
		}
		return a.svc.Stop()
	}
	err := life.Run(context.WithoutCancel(ctx), life.Func(answer), a.leases, a.ledger, a.desk, a.sweep)
	a.meter.Gateways.Sub(float64(len(a.leases.All()))) // others may share the gauge
	return err
}
