// Package serve is presence on NATS: it hears the leases of gateways and
// answers who lives.
//
// It keeps no record that is not in the bucket, and judges no time: a lease
// that is in the bucket is held.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says what is heard and answered.
type Config struct {
	Tree   subject.Tree
	Follow follow.Config // times and sizes
}

// Answers is the micro service and what it answers from. Its methods are safe
// for concurrent use.
type Answers struct {
	nc     *nats.Conn
	svc    *natsconn.Answerer
	leases *kv.Mirror[wire.Lease]
	meter  *meter.Meter
}

// answerWait bounds one answer. All come from memory.
const answerWait = time.Second

// errBehind is told while the bucket is read anew.
var errBehind = errors.New("reads the leases of gateways anew")

// Listen reads all leases, and then begins to be asked: a replica that knows
// too little leaves the answer to others.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Answers, error) {
	a := &Answers{nc: nc, meter: m}
	var err error
	a.leases, err = kv.Listen(ctx, nc, kv.MirrorConfig[wire.Lease]{
		Tree: cfg.Tree, Bucket: subject.Gateways, Follow: cfg.Follow,
		Read:    readLease,
		Changed: func(c kv.Change[wire.Lease]) { a.changed(c, log) },
	}, log)
	if err != nil {
		return nil, err
	}
	a.svc, err = natsconn.Service(nc, subject.Presence, "who is here", log)
	if err != nil {
		return nil, err
	}
	if err := natsconn.Answer(ctx, a.svc, "gateways", cfg.Tree.Svc(subject.Presence, "gateways"), answerWait, a.gateways); err != nil {
		return nil, errors.Join(err, a.svc.Stop())
	}
	if err := natsconn.Flush(ctx, a.nc); err != nil {
		return nil, errors.Join(err, a.svc.Stop())
	}
	return a, nil
}

func readLease(value []byte) (l wire.Lease, err error) {
	err = json.Unmarshal(value, &l)
	return l, err
}

func (a *Answers) changed(c kv.Change[wire.Lease], log *slog.Logger) {
	switch {
	case !c.Had:
		a.meter.Gateways.Inc()
		log.Info("presence: gateway has begun", obs.Gateway, c.Key)
	case !c.Has:
		a.meter.Gateways.Dec()
		log.Info("presence: gateway has ended", obs.Gateway, c.Key, "cause", string(c.Cause))
	}
}

// gateways answers every living gateway with its figures.
func (a *Answers) gateways(context.Context, struct{}) (wire.GatewaysAnswer, error) {
	if !a.leases.Whole() {
		a.meter.Answered("gateways", string(wire.Unavailable))
		return wire.GatewaysAnswer{}, &natsconn.Fault{Code: wire.Unavailable, Text: "presence " + errBehind.Error()}
	}
	a.meter.Answered("gateways", "ok")
	return wire.GatewaysAnswer{Gateways: a.leases.All()}, nil
}

// Ready returns nil when NATS carries what we say and all leases are known.
func (a *Answers) Ready(ctx context.Context) error {
	if err := natsconn.Flush(ctx, a.nc); err != nil {
		return err
	}
	if !a.leases.Whole() {
		return fmt.Errorf("presence: %w", errBehind)
	}
	return nil
}

// Serve follows the leases and answers until ctx ends. The leases are followed
// until the last question is answered.
func (a *Answers) Serve(ctx context.Context) error {
	answer := func(followed context.Context) error {
		select {
		case <-ctx.Done():
		case <-followed.Done():
		}
		return a.svc.Stop()
	}
	err := life.Run(context.WithoutCancel(ctx), life.Func(answer), a.leases)
	a.meter.Gateways.Sub(float64(len(a.leases.All()))) // others may share the gauge
	return err
}
