package mesh

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// Serve serves until ctx ends or the first service fails, and returns when all
// is drained and ended. Gateways end first, as their clients still ask the
// services while they drain; the NATS server ends last. It may be called once.
func (m *Mesh) Serve(ctx context.Context) error {
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	asked, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	services, gateways := crew{fail: fail}, crew{fail: fail}
	for _, s := range m.services {
		services.serve(asked, m, s)
	}
	for _, g := range m.begin() {
		gateways.serve(ctx, m, g)
	}
	for ctx.Err() == nil {
		select {
		case g := <-m.added:
			gateways.serve(ctx, m, g)
		case <-ctx.Done():
		}
	}
	m.refuseGateways()
	err := gateways.wait()
	end()
	err = errors.Join(err, services.wait())
	return errors.Join(err, m.stopBus(ctx, err == nil))
}

// begin returns the gateways that are there; later ones come by added.
func (m *Mesh) begin() []*member {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving = true
	return slices.Clone(m.gateways)
}

// refuseGateways returns when no gateway is started any more: one that
// connected to a server that is ending would hang.
func (m *Mesh) refuseGateways() {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	close(m.done)
	m.starting.Wait()
}

// stopBus ends the server after its clients. After a failure the folder stays
// marked, as who knows what was written.
func (m *Mesh) stopBus(ctx context.Context, well bool) (err error) {
	well = well && m.begun
	if well {
		if err := m.end(ctx); err != nil {
			well = false
			m.kit.Log.Warn("mesh: where the log ends is not noted", obs.Err, err)
		}
	}
	if m.bus != nil {
		m.bus.stop()
	}
	if well {
		err = m.dir.End()
	}
	if m.dir != nil {
		err = errors.Join(err, m.dir.Close())
	}
	if err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	return nil
}

// crew is members that are served together.
type crew struct {
	fail context.CancelFunc // tells all to end, when one has by itself
	wg   sync.WaitGroup

	mu   sync.Mutex // guards errs
	errs []error
}

// serve serves one more member until ctx ends. It must not be called after
// wait.
func (c *crew) serve(ctx context.Context, m *Mesh, one *member) {
	c.wg.Go(func() {
		err := life.Run(ctx, one.server, natsconn.Watch{NC: one.nc})
		if m.wasKilled(one) {
			return
		}
		if err == nil && ctx.Err() == nil {
			err = errors.New("ended by itself")
		}
		if err = errors.Join(err, natsconn.Drain(one.nc)); err == nil {
			return
		}
		c.mu.Lock()
		c.errs = append(c.errs, fmt.Errorf("mesh: serve %s: %w", one.name, err))
		c.mu.Unlock()
		c.fail()
	})
}

// wait returns what went wrong when all have ended.
func (c *crew) wait() error {
	c.wg.Wait()
	return errors.Join(c.errs...)
}
