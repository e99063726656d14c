// Package socket is the bytes of WebSockets: handshakes, frames, pings and
// closes, with one goroutine that reads and one that writes a connection.
//
// It is the only package with goroutines of connections and the only one that
// knows the WebSocket library, so that another way to wait for bytes replaces
// it alone. It knows no client protocol: a door reads the handshake and spells
// refusals, messages go to client.Client as they came, what a client is to hear
// comes framed out of its outbox.
//
// Read socket.go (the server: admission, ticks, drain), then upgrade.go (a
// handshake), read.go and write.go.
package socket

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/client"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
)

// Config says whom a server lets in and how long it waits. All fields are set.
type Config struct {
	Origins        []string       // who may open from a page; empty means the same origin
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	MaxConnections int
	MaxMessage     int64         // bytes of one message of a client
	Heartbeat      time.Duration // a ping after so much silence; gone after twice that
	LastWords      time.Duration // how long a closed connection is read on so that its close code arrives
}

// Server holds the connections of one gateway. Safe for concurrent use.
type Server struct {
	cfg     Config
	origins origins
	house   *client.House
	meter   *meter.Meter
	log     *slog.Logger

	warnForwarded sync.Once

	mu       sync.Mutex // guards the fields below
	conns    map[*conn]struct{}
	pending  int // handshakes under way, counted against MaxConnections
	draining bool
	killed   bool          // there are no connections any more, nor will be
	gone     chan struct{} // closed when draining and no connection is left

	wg sync.WaitGroup // one a connection in conns
}

// New returns a server without connections.
func New(cfg Config, house *client.House, m *meter.Meter, log *slog.Logger) (*Server, error) {
	o, err := parseOrigins(cfg.Origins)
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, origins: o, house: house, meter: m, log: log,
		conns: map[*conn]struct{}{}, gone: make(chan struct{}),
	}, nil
}

// Open is how many connections there are now.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// reserve takes a place for a connection that is about to be, or says that
// there is none.
func (s *Server) reserve() (why string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining:
		return "this gateway is shutting down", false
	case len(s.conns)+s.pending >= s.cfg.MaxConnections:
		return "this gateway is full", false
	}
	s.pending++
	return "", true
}

// release gives a reserved place back, to c if a connection came of it. One
// that came while a drain began is leaving at once; after Kill there is none.
func (s *Server) release(c *conn) (leaving, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if c != nil && !s.killed {
		s.conns[c] = struct{}{}
		s.wg.Add(1)
	}
	s.noteGone()
	return s.draining, !s.killed
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.noteGone()
	s.mu.Unlock()
	s.wg.Done()
}

// noteGone tells Drain when nobody is left. It is called under the lock.
func (s *Server) noteGone() {
	if !s.draining || len(s.conns) > 0 || s.pending > 0 {
		return
	}
	select {
	case <-s.gone:
	default:
		close(s.gone)
	}
}

func (s *Server) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// tick is how often connections are told the time.
const tick = time.Second

// Serve tells connections the time until ctx ends. It does not close them:
// Drain does, or Kill.
func (s *Server) Serve(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			for _, c := range s.list() {
				c.tick(now)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// perConnection spaces the closes of a drain: a thousand connections take ten
// seconds, where the drain lasts that long, and a handful no time.
const perConnection = 10 * time.Millisecond

// Drain refuses new connections, tells all that there are of the shutdown, and
// closes them one by one, spread over as much of the time to ctx's end as
// their number needs. It returns when all are gone, or at ctx's end with
// those left cut off.
func (s *Server) Drain(ctx context.Context, budget time.Duration) {
	s.mu.Lock()
	s.draining = true
	s.noteGone()
	s.mu.Unlock()

	conns := s.list()
	// Half of the budget is for closing, the rest for clients to hear it.
	spread := min(budget/2, time.Duration(len(conns))*perConnection)
	for _, c := range conns {
		wait := time.Duration(rand.Int64N(int64(spread) + 1)) //nolint:gosec // spreads clients, hides nothing
		c.client.Tell(frame.Shutdown("the gateway is shutting down: come back to another", wait))
	}
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] }) //nolint:gosec // so does this
	pace := time.NewTicker(max(spread/time.Duration(len(conns)+1), time.Microsecond))
	defer pace.Stop()
	for _, c := range conns {
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
		c.client.End(frame.Restart)
	}
	select {
	case <-s.gone:
	case <-ctx.Done():
	}
	s.Kill()
}

// Kill cuts all connections off without a word, and returns when nothing of
// them is left.
func (s *Server) Kill() {
	s.mu.Lock()
	s.draining, s.killed = true, true
	s.mu.Unlock()
	for _, c := range s.list() {
		c.cut()
	}
	s.wg.Wait()
}

// Draining reports whether the server takes no more connections.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}
