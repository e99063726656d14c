package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// ErrEnded is what AddGateway meets when Serve is ending or has ended.
var ErrEnded = errors.New("mesh: has ended")

// Gateways is those that live.
func (m *Mesh) Gateways() (all []*gateway.Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.gateways {
		if !g.killed {
			all = append(all, g.gateway)
		}
	}
	return all
}

// AddGateway starts one more gateway with the mesh's configuration, and serves
// it with the others. Login is how it reaches NATS: Login(subject.Gateway), or
// the same by a wire that a test can cut.
func (m *Mesh) AddGateway(ctx context.Context, login natsconn.Config) (*gateway.Server, error) {
	number, err := m.number()
	if err != nil {
		return nil, err
	}
	defer m.starting.Done()
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait() // after cancel
	defer cancel()
	watch.Go(func() {
		select {
		case <-m.done:
			cancel()
		case <-ctx.Done():
		}
	})
	cfg, err := m.gatewayConfig(number)
	if err != nil {
		return nil, err
	}
	var g *gateway.Server
	one, err := m.start(ctx, subject.Gateway, login, func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (life.Server, error) {
		g, err = gateway.Listen(ctx, cfg, nc, kit)
		return g, err
	})
	if err != nil {
		return nil, err
	}
	one.gateway = g
	if m.add(one) {
		return g, nil
	}
	cancel() // it ends as soon as it is served
	return nil, errors.Join(ErrEnded, g.Serve(ctx), natsconn.Drain(one.nc))
}

// number counts one more gateway, which the caller reports to m.starting.
func (m *Mesh) number() (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return 0, ErrEnded
	}
	m.starting.Add(1)
	m.made++
	return m.made, nil
}

// add hands a gateway to Serve, present or to come, and reports whether it is
// served.
func (m *Mesh) add(one *member) (served bool) {
	m.mu.Lock()
	m.gateways = append(m.gateways, one)
	serving := m.serving
	m.mu.Unlock()
	if !serving {
		return true
	}
	select {
	case m.added <- one:
		return true
	case <-m.done:
		return false
	}
}

// gatewayConfig is the configuration of a gateway, counted from 1.
func (m *Mesh) gatewayConfig(number int) (gateway.Config, error) {
	cfg := m.cfg.Gateway
	if cfg.ID != "" && number > 1 {
		cfg.ID = fmt.Sprintf("%s-%d", cfg.ID, number)
	}
	var err error
	if number == 1 {
		cfg.Listen, err = m.address(cfg.Listen, defaultListen, listenName)
		return cfg, err
	}
	if cfg.Listen == "" {
		cfg.Listen = defaultListen
	}
	if cfg.Listen, err = freeAddr(cfg.Listen, true); err != nil {
		return cfg, fmt.Errorf("mesh: listen: %w", err)
	}
	return cfg, nil
}

// Kill ends a gateway of this mesh as SIGKILL would: clients and NATS hear
// nothing, and its lease is left to end by itself.
func (m *Mesh) Kill(g *gateway.Server) {
	m.mu.Lock()
	for _, one := range m.gateways {
		one.killed = one.killed || one.gateway == g
	}
	m.mu.Unlock()
	g.Kill()
}

func (m *Mesh) wasKilled(one *member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return one.killed
}
