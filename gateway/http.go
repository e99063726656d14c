package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/webclient"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	headersWait   = 10 * time.Second // a request whose headers take longer is cut off
	headersMost   = 16 << 10         // bytes
	idleWait      = time.Minute      // of a connection between two requests
	shutdownWait  = 2 * time.Second  // for answers under way at the end
	metricsPath   = "/api/v1/ws/metrics"
	websocketPath = "/ws"
)

func (s *Server) newHTTP(kit obs.Kit) *http.Server {
	mux := http.NewServeMux()
	mux.Handle(websocketPath, s.sockets.Handler(native.Door{}))
	mux.HandleFunc("GET "+metricsPath, s.metrics)
	mux.Handle("GET "+webclient.Path, webclient.Handler())
	health := obs.Health(s.Ready)
	mux.Handle(obs.LivePath, health)
	mux.Handle(obs.ReadyPath, health)
	if s.cfg.Admin {
		admin := obs.Handler(kit, s.Ready, obs.Config{}.Profiles(s.listener.Addr()))
		mux.Handle("/metrics", admin)
		mux.Handle("/debug/pprof/", admin)
	}
	if s.cfg.Demo != nil {
		mux.Handle("/", s.cfg.Demo)
	}
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: headersWait, MaxHeaderBytes: headersMost, IdleTimeout: idleWait,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) serveHTTP(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWait)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			s.log.Debug("gateway: requests cut off", obs.Err, err)
		}
		s.sockets.Kill() // a connection made while the drain ended
	})
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("gateway: accept: %w", err)
	}
	return nil
}

// totals is what presence last said of all gateways, kept for a moment so that
// a page that asks often asks presence seldom.
type totals struct {
	mu   sync.Mutex // guards all below; held while presence is asked, so that one asks for all
	at   time.Time
	said wire.GatewaysAnswer
	err  frame.Problem
}

// totalsFor is how long an answer is used again. With a lease renewed each
// 2.5 s the sum is at most 3 s old.
const totalsFor = 400 * time.Millisecond

func (s *Server) gateways(ctx context.Context) (map[string]wire.Lease, frame.Problem) {
	t := &s.totals
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := s.cfg.Now(); now.Sub(t.at) >= totalsFor {
		type answer struct {
			a wire.GatewaysAnswer
			p frame.Problem
		}
		heard := make(chan answer, 1)
		s.asks.Gateways(func(a wire.GatewaysAnswer, p frame.Problem) { heard <- answer{a, p} })
		select {
		case got := <-heard:
			t.said, t.err, t.at = got.a, got.p, now
		case <-ctx.Done():
			return nil, frame.Problem{Code: wire.Unavailable, Message: "presence was not asked to the end"}
		}
	}
	return t.said.Gateways, t.err
}

// metrics answers with the connections of this gateway and of the mesh.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	all, p := s.gateways(r.Context())
	if p.Is() {
		status, _, body := native.Door{}.Refuse(p.Code, p.Message)
		w.WriteHeader(status)
		_, _ = w.Write(body) // who asked may have gone
		return
	}
	own := s.sockets.Open()
	total, count := own, 1
	for id, lease := range all {
		if id != s.cfg.ID {
			total += lease.Connections
			count++
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{ // who asked may have gone
		"serverId": s.cfg.ID, "connections": own, "totalConnections": total, "serverCount": count,
		"uptime": int64(s.cfg.Now().Sub(s.started).Seconds()),
	})
}
