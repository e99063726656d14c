// Package mesh is the whole house in one process: a NATS server, unless there
// is one already, and all services over it, each on a connection of its own
// that may do only what is its, as they run in production. It is what hubmesh
// dev runs and what tests of the whole house stand in.
//
// It knows no client and no message; it starts, and ends in the right order.
//
//	Start   lock the folder → NATS server → streams → services → gateways
//	Serve   … until ctx ends: gateways drain → services → connections → server
//
// Read this file first, then setup.go (the streams), serve.go, gateways.go,
// bus.go (the server) and config.go.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Mesh is a house that runs. Its methods are safe for concurrent use.
type Mesh struct {
	cfg  Config
	kit  obs.Kit
	tree subject.Tree

	dir   *datadir.Dir // nil: the NATS server is not ours
	bus   *bus         // likewise
	begun bool         // the streams are made, and the folder says that we run

	services []*member

	added    chan *member   // to Serve, from AddGateway
	done     chan struct{}  // closed by Serve: no gateway is served any more
	starting sync.WaitGroup // gateways that are not added yet; Add is called under mu, before ended

	mu       sync.Mutex // guards the fields below; not held while something starts or ends
	gateways []*member
	serving  bool // gateways that are added go to Serve
	ended    bool // none is started any more
	made     int  // gateways ever started
}

// member is a service or a gateway, and the connection that is its own.
type member struct {
	name    string
	server  life.Server
	gateway *gateway.Server // nil: a service
	nc      *nats.Conn
	killed  bool // guarded by Mesh.mu: its end is no failure
}

// Start returns when every service can be asked and every gateway takes
// clients. What it started ends with Serve, which must be called then; when
// Start fails, nothing is left running.
func Start(ctx context.Context, cfg Config, kit obs.Kit) (_ *Mesh, err error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("mesh: read prefix: %w", err)
	}
	m := &Mesh{cfg: cfg.complete(), kit: kit, tree: tree, added: make(chan *member), done: make(chan struct{})}
	defer func() {
		if err != nil {
			gone, stop := context.WithCancel(ctx)
			stop()
			err = errors.Join(err, m.Serve(gone))
		}
	}()
	if m.cfg.NATS.URL == "" {
		if err := m.startBus(); err != nil {
			return nil, err
		}
	}
	if err := m.setup(ctx); err != nil {
		return nil, err
	}
	if err := m.startServices(ctx); err != nil {
		return nil, err
	}
	for range m.cfg.Gateways {
		if _, err := m.AddGateway(ctx, m.Login(subject.Gateway)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Mesh) startBus() (err error) {
	if m.dir, err = datadir.Open(m.cfg.Dir, datadir.Boot()); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	addr, err := m.address(m.cfg.NATSListen, defaultNATSListen, natsListenName)
	if err != nil {
		return err
	}
	m.bus, err = startBus(busConfig{
		dir: m.dir, addr: addr, eventsMax: m.cfg.Store.EventMaxBytes, tree: m.tree, log: m.kit.Log,
	})
	if err == nil && !onLoopback(addr) {
		m.kit.Log.Warn("mesh: whoever reaches this NATS server may do all: it is for development", "addr", addr, "variable", natsListenName)
	}
	return err
}

// listen is a service's Listen with its configuration.
type listen func(context.Context, *nats.Conn, obs.Kit) (life.Server, error)

func listening[C any, S life.Server](start func(context.Context, C, *nats.Conn, obs.Kit) (S, error), cfg C) listen {
	return func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (life.Server, error) {
		s, err := start(ctx, cfg, nc, kit)
		if err != nil {
			return nil, err // not s: an interface that holds a nil pointer is not nil
		}
		return s, nil
	}
}

func (m *Mesh) startServices(ctx context.Context) error {
	all := []struct {
		name   string
		listen listen
	}{
		{subject.Authz, listening(authz.Listen, m.cfg.Authz)},
		{subject.Presence, listening(presence.Listen, m.cfg.Presence)},
		{subject.Ratelimit, listening(ratelimit.Listen, m.cfg.Ratelimit)},
	}
	for _, s := range all {
		if slices.Contains(m.cfg.Without, s.name) {
			continue
		}
		started, err := m.start(ctx, s.name, m.Login(s.name), s.listen)
		if err != nil {
			return err
		}
		m.services = append(m.services, started)
	}
	return nil
}

// startWait bounds the start of one service. NATS answers by then and the
// streams are made, so one that takes longer waits for what will not come.
const startWait = 30 * time.Second

// start starts a service on a connection of its own.
func (m *Mesh) start(ctx context.Context, name string, login natsconn.Config, listen listen) (*member, error) {
	nc, err := m.open(ctx, name, login)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	s, err := listen(ctx, nc, m.kitOf(name))
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("mesh: start %s: %w", name, err)
	}
	return &member{name: name, server: s, nc: nc}, nil
}

func (m *Mesh) kitOf(name string) obs.Kit {
	return obs.Kit{Log: m.kit.Log.With(obs.Service, name), Registry: m.kit.Registry}
}

// open returns when the connection is there.
func (m *Mesh) open(ctx context.Context, name string, login natsconn.Config) (*nats.Conn, error) {
	log := m.kitOf(name).Log
	if m.bus != nil && login.URL == "" {
		log = slog.New(warnings{log.Handler()})
	}
	nc, err := natsconn.Open(login, name, log)
	if err != nil {
		return nil, fmt.Errorf("mesh: %w", err)
	}
	if err := natsconn.Await(ctx, nc, log); err != nil {
		nc.Close()
		return nil, fmt.Errorf("mesh: %w", err)
	}
	return nc, nil
}

// Login is how a NATS user of the tree (subject.Gateway, subject.Admin, …)
// reaches the server. On our own server connections with it must be closed
// before Serve ends; on another it is what was configured.
func (m *Mesh) Login(user string) natsconn.Config {
	if m.bus == nil {
		return m.cfg.NATS
	}
	return m.bus.login(user)
}

// NATSURL is where backends reach NATS. On our own server whoever does not log
// in may do all.
func (m *Mesh) NATSURL() string {
	if m.bus == nil {
		return m.cfg.NATS.URL
	}
	return m.bus.url()
}

// address is where to listen: what was configured, or else the default or the
// next free port, which is told, as others expect the default.
func (m *Mesh) address(configured, def, variable string) (string, error) {
	if configured != "" {
		addr, err := freeAddr(configured, false)
		if err != nil {
			return "", fmt.Errorf("mesh: listen as %s says: %w", variable, err)
		}
		return addr, nil
	}
	addr, err := freeAddr(def, true)
	if err != nil {
		return "", fmt.Errorf("mesh: listen: %w", err)
	}
	if addr != def {
		m.kit.Log.Warn("mesh: somebody else is on the default port", "default", def, obs.Addr, addr, "set", variable)
	}
	return addr, nil
}
