package program

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

type config struct {
	nats natsconn.Config
	obs  obs.Config
}

// run serves operators from before the service is there until after it has
// ended: who looks why it does not start, or how far its end is, gets an
// answer.
func (p Program) run(ctx context.Context, cfg config, kit obs.Kit) error {
	var ready obs.Readiness
	admin, err := obs.Listen(cfg.obs, kit, ready.Ask)
	if err != nil {
		return err
	}
	kit.Log.Info("program: serves operators", obs.Addr, admin.Addr().String())
	service := func(admined context.Context) error {
		admined, cancel := context.WithCancel(admined)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return p.serve(admined, cfg.nats, kit, &ready)
	}
	// Not below ctx: the listener ends when the service has.
	return life.Run(context.WithoutCancel(ctx), life.Func(service), admin)
}

// serve runs the service on a connection of its own.
func (p Program) serve(ctx context.Context, cfg natsconn.Config, kit obs.Kit, ready *obs.Readiness) (err error) {
	nc, err := natsconn.Open(cfg, p.Name, kit.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, natsconn.Drain(nc)) }()
	ready.Set(func(ctx context.Context) error { return p.starting(ctx, nc) })

	srv, err := p.listen(ctx, nc, kit)
	if ctx.Err() != nil && srv == nil {
		return nil // told to end before it had begun
	}
	if err != nil {
		return err
	}
	ready.Set(srv.Ready)
	defer context.AfterFunc(ctx, func() {
		ready.Drain()
		kit.Log.Info("program: drains")
	})()
	kit.Log.Info("program: serves")
	return life.Run(ctx, srv, natsconn.Watch{NC: nc})
}

func (p Program) listen(ctx context.Context, nc *nats.Conn, kit obs.Kit) (Server, error) {
	if err := natsconn.Await(ctx, nc, kit.Log); err != nil {
		return nil, err
	}
	srv, err := p.Listen(ctx, nc, kit)
	if err != nil {
		return nil, err // not srv: an interface that holds a nil pointer is not nil
	}
	return srv, nil
}

// starting is why the service does not serve yet.
func (p Program) starting(ctx context.Context, nc *nats.Conn) error {
	if !nc.IsConnected() {
		return natsconn.ErrAway
	}
	if p.Needs != nil {
		if err := p.Needs(ctx, nc); err != nil {
			return err
		}
	}
	return obs.ErrStarting
}
