// Package gateway is the service that holds client connections and translates
// them to NATS subjects. Run as many as there are clients for; each hears the
// whole log of events and tells its members what concerns them.
//
// It decides no rights and keeps nothing that is not also on NATS: authz says
// who may connect and enter, ratelimit how much, presence who else is there,
// and a client that comes back elsewhere finds the same rooms.
//
// A message's way in: internal/socket reads bytes, a door under internal/door
// reads its protocol, internal/session decides, internal/client carries it out
// through internal/ask, internal/relay and internal/here. And out: internal/relay hears NATS,
// internal/room finds the members and what waits for each, internal/socket
// writes. internal/here reports to presence and hears from it. internal/rights sees to it that what authz allowed does not outlive a
// change. Read this file first, then the package comments in that order.
package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/client"
	"github.com/hubmesh/hubmesh/gateway/internal/control"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/relay"
	"github.com/hubmesh/hubmesh/gateway/internal/rights"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/gateway/internal/socket"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Server is one gateway.
type Server struct {
	cfg     Config
	tree    subject.Tree
	nc      *nats.Conn
	past    *nats.Conn // a second connection, for reads of what clients missed
	log     *slog.Logger
	started time.Time

	listener net.Listener
	http     *http.Server
	asker    *natsconn.Asker
	asks     *ask.Asker
	rooms    *room.Rooms
	rights   *rights.Watch
	relay    *relay.Relay
	here     *here.Here
	sockets  *socket.Server
	lease    *kv.Lease
	answers  *natsconn.Answerer
	control  *control.Control
	probe    *nats.Subscription
	totals   totals

	draining atomic.Bool
	kill     context.CancelFunc // of what runs; nil before Serve
	killed   atomic.Bool
	mu       sync.Mutex // guards kill
}

// Listen makes a gateway that hears the log and holds its lease and its
// address; connections are accepted while Serve runs. It waits until the
// streams that it needs are there, and returns an error that wraps kv.ErrHeld
// when another gateway lives under its id. After an error nc is of no further
// use: subscriptions of what had begun are left on it.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	cfg = cfg.withDefaults()
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("gateway: read prefix: %w", err)
	}
	s := &Server{cfg: cfg, tree: tree, nc: nc, log: kit.Log.With(obs.Gateway, cfg.ID), started: cfg.Now()}
	s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("gateway: listen: %w (HUBMESH_LISTEN says where)", err)
	}
	if err := s.listen(ctx, kit); err != nil {
		s.close()
		s.giveUp(ctx)
		return nil, err
	}
	return s, nil
}

// giveUp lets go of the lease, if it is held, so that nobody waits for its end.
// Where NATS takes no write, as without a quorum, it ends by itself: whoever
// stops gateways then has enough to do without one that reports a failure.
func (s *Server) giveUp(ctx context.Context) {
	if s.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.LastWords)
	defer cancel()
	if err := s.lease.Leave(ctx); err != nil {
		s.log.Warn("gateway: the lease is left to end by itself", obs.Err, err)
	}
}

// listen builds what stands behind the address.
func (s *Server) listen(ctx context.Context, kit obs.Kit) (err error) {
	cfg := s.cfg
	if err := store.Await(ctx, s.nc, s.tree, cfg.Store, s.log, subject.Events, subject.Gateways, subject.Policy, subject.Relations, subject.Revoked, subject.Tellings); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	// Before anything is heard under the id: a gateway that lives under it must
	// not have its questions answered by one that is about to refuse.
	s.lease, err = kv.Claim(ctx, s.nc, kv.LeaseConfig{
		Tree: s.tree, Bucket: subject.Gateways, Key: cfg.ID, Value: s.figures,
		Lost: func() { s.here.Again() },
		TTL:  cfg.LeaseTTL, Renew: cfg.LeaseRenew, Watch: cfg.LeaseWatch,
	}, s.log)
	if err != nil {
		return fmt.Errorf("gateway: claim the id %s: %w (HUBMESH_GATEWAY_ID sets another)", cfg.ID, err)
	}
	m := meter.New(kit.Registry)
	if s.asker, err = natsconn.NewAsker(s.nc); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.asks = ask.New(ask.Config{DecideWait: cfg.DecideWait, TakeWait: cfg.TakeWait, CallWait: cfg.CallWait}, s.asker, s.tree, m, s.log)
	if s.past, err = natsconn.Beside(s.nc, "past"); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.rooms = room.New(socket.Frame)
	s.rights = rights.New(rights.Config{Bound: cfg.RightsBound, Wait: cfg.RightsWait, Follow: cfg.Follow}, s.nc, s.asks, s.tree, m, s.log)
	s.relay, err = relay.Listen(ctx, relay.Config{Gateway: cfg.ID, Store: cfg.StoreWait, Follow: cfg.Follow, Past: s.past, Gate: s.rights.Gate}, s.nc, s.asker, s.tree, s.rooms, m, s.log)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.here = here.New(here.Config{Gateway: cfg.ID, Now: cfg.Now, Follow: cfg.Follow, Gate: s.rights.Gate}, s.asks, s.tree, socket.Frame, m, s.log)
	if err := s.here.Listen(ctx, s.nc); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	house := client.New(client.Config{
		Gateway: cfg.ID,
		// Numbers must not come again after a restart under the same id. They
		// begin with the microsecond of the start: a gateway that opened a
		// million connections a second would still be behind the clock.
		FirstNumber: uint64(s.started.UnixMicro()),
		Session:     session.Config{Heartbeat: cfg.Heartbeat, AuthWait: cfg.AuthWait},
		Messages:    cfg.Messages, Signals: cfg.Signals, User: cfg.User, Now: cfg.Now,
	}, s.rooms, s.relay, s.asks, s.here, s.rights, socket.Frame, m, s.log)
	if err := s.rights.Listen(ctx, house); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.sockets, err = socket.New(socket.Config{
		Origins: cfg.Origins, TrustedProxies: cfg.TrustedProxies, MaxConnections: cfg.MaxConnections,
		MaxMessage: s.largestMessage(), Heartbeat: cfg.Heartbeat, LastWords: cfg.LastWords,
	}, house, m, s.log)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if err := s.answer(ctx, house); err != nil {
		return err
	}
	s.http = s.newHTTP(kit)
	return nil
}

// roomForHeaders is left of NATS's largest message for headers and subject.
const roomForHeaders = 8 << 10

// largestMessage is what a client may send at once: what was configured, where
// NATS carries that.
func (s *Server) largestMessage() int64 {
	most := s.nc.MaxPayload() - roomForHeaders
	if most <= 0 || most >= s.cfg.MaxMessage {
		return s.cfg.MaxMessage
	}
	s.log.Warn("gateway: NATS carries less than HUBMESH_MAX_MESSAGE_BYTES in one message", "bytes", most, "set", s.cfg.MaxMessage)
	return most
}

// answer makes the gateway known as a micro service, and answers backends, other
// gateways and its own probe.
func (s *Server) answer(ctx context.Context, house *client.House) (err error) {
	if s.answers, err = natsconn.Service(s.nc, subject.Gateway, "holds client connections", s.log); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if s.control, err = control.Listen(ctx, control.Config{Gateway: s.cfg.ID}, s.nc, s.answers, s.tree, house, s.log); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	s.probe, err = s.nc.Subscribe(s.tree.Probe(s.cfg.ID), func(m *nats.Msg) {
		if err := m.Respond(nil); err != nil {
			s.log.Warn("gateway: answer a probe", obs.Err, err)
		}
	})
	if err != nil {
		return fmt.Errorf("gateway: hear probes: %w", err)
	}
	if err := natsconn.Flush(ctx, s.nc); err != nil {
		return fmt.Errorf("gateway: hear probes: %w", err)
	}
	return nil
}

// figures is what stands in the lease, from before there are sockets on.
func (s *Server) figures() []byte {
	open := 0
	if s.sockets != nil {
		open = s.sockets.Open()
	}
	body, err := json.Marshal(wire.Lease{
		Connections: open, StartedAt: s.started.UnixMilli(), At: s.cfg.Now().UnixMilli(),
		Version: natsconn.Version, Draining: s.draining.Load(),
	})
	if err != nil {
		panic("gateway: spell the lease: " + err.Error()) // numbers and a text
	}
	return body
}

// ID is the gateway's id.
func (s *Server) ID() string { return s.cfg.ID }

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until ctx ends. Then it drains: it is not ready
// any more, refuses new connections, asks those it has to go elsewhere, spread
// over Config.Drain, and gives up its lease. It does not close the NATS
// connection.
func (s *Server) Serve(ctx context.Context) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.mu.Lock()
	s.kill = stop
	s.mu.Unlock()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		select {
		case <-ctx.Done():
			if !s.killed.Load() { // then it says no word
				s.drain(run)
			}
		case <-run.Done():
		}
		stop()
	}()
	err := life.Run(run, s.asker, s.rights, s.relay, s.here, s.sockets, s.lease, natsconn.Watch{NC: s.past}, serveFunc(s.serveHTTP))
	stop() // a part has failed: the rest of the drain is void
	<-drained
	s.close()
	if s.killed.Load() {
		return nil
	}
	s.leave()
	s.giveUp(ctx)
	return err
}

// serveFunc is a life.Server that is a function.
type serveFunc func(context.Context) error

// Serve runs it.
func (f serveFunc) Serve(ctx context.Context) error { return f(ctx) }

// Ready returns nil when NATS carries a message from the gateway to itself,
// authz answers, and it is not draining.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return obs.ErrDraining
	}
	if _, err := s.nc.RequestWithContext(ctx, s.tree.Probe(s.cfg.ID), nil); err != nil {
		return fmt.Errorf("gateway: probe through NATS: %w", err)
	}
	if _, err := natsconn.Call[wire.JoinAnswer](ctx, s.nc, s.tree.Svc(subject.Authz, "join"), wire.JoinAsk{Rooms: []string{}}); err != nil {
		return fmt.Errorf("gateway: ask authz: %w", err)
	}
	return nil
}
