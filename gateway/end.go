package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/hubmesh/hubmesh/shared/obs"
)

// reportWait is how long a gateway whose clients are gone waits for presence to
// take up that they are. Then their grace begins, in which they come back
// elsewhere; else they would have left with the gateway's lease.
const reportWait = 5 * time.Second

// drain asks all clients to go elsewhere, spread over Config.Drain.
func (s *Server) drain(ctx context.Context) {
	defer s.report(ctx)
	s.log.Info("gateway: draining", "connections", s.sockets.Open(), "budget", s.cfg.Drain)
	s.draining.Store(true)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Drain)
	defer cancel()
	s.sockets.Drain(ctx, s.cfg.Drain)
}

// report waits until presence knows all that it is owed.
func (s *Server) report(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	if owed := s.here.Drained(ctx); owed > 0 {
		s.log.Warn("gateway: presence was not told how connections ended", "connections", owed)
	}
}

// leave ends what others ask of the gateway.
func (s *Server) leave() {
	if err := s.answers.Stop(); err != nil {
		s.log.Warn("gateway: stop answering", obs.Err, err)
	}
	s.control.Close()
	if err := s.probe.Unsubscribe(); err != nil && s.nc.IsConnected() {
		s.log.Warn("gateway: unsubscribe", obs.Subject, s.probe.Subject, obs.Err, err)
	}
}

// close lets go of the address and of the connection that the gateway opened.
func (s *Server) close() {
	if s.past != nil {
		s.past.Close()
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("gateway: close the listener", obs.Err, err)
	}
}

// Kill ends the gateway as a SIGKILL would: clients are cut off without a
// word, the lease is left to run out, the NATS connection is closed. For tests
// of what the others make of it.
func (s *Server) Kill() {
	s.killed.Store(true)
	s.nc.Close()
	s.close()
	s.sockets.Kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kill != nil {
		s.kill()
	}
}
