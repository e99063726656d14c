package obs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves operators: GET /metrics, health, and with profiles set
// /debug/pprof/.
func Handler(kit Kit, ready Ready, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(kit.Registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(kit.Log.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError, // one faulty collector must not hide the others
	}))
	health := Health(ready)
	mux.Handle(LivePath, health)
	mux.Handle(ReadyPath, health)
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Admin is the listener for operators.
type Admin struct {
	listener net.Listener
	server   *http.Server
}

// Profiles reports whether profiles may be served at addr: they show memory
// and cost time, so anywhere but on a loopback address only when asked for.
func (c Config) Profiles(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return c.Pprof || ok && tcp.IP.IsLoopback()
}

// Listen opens the admin listener of cfg. Connections wait in it until Serve.
func Listen(cfg Config, kit Kit, ready Ready) (*Admin, error) {
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("obs: listen for operators (HUBMESH_ADMIN_LISTEN): %w", err)
	}
	return &Admin{listener: l, server: &http.Server{
		Handler:           Handler(kit, ready, cfg.Profiles(l.Addr())),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(kit.Log.Handler(), slog.LevelDebug),
		// No WriteTimeout: a profile takes as long as its asker says.
	}}, nil
}

// Addr is where it listens.
func (a *Admin) Addr() net.Addr { return a.listener.Addr() }

// Close ends an Admin that is not served.
func (a *Admin) Close() error { return a.listener.Close() }

// goodbye bounds how long answers under way may take at the end.
const goodbye = time.Second

// Serve answers until ctx ends.
func (a *Admin) Serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- a.server.Serve(a.listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("obs: serve operators: %w", err)
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	err := a.server.Shutdown(bound)
	<-done //nolint:errcheck // that it was told to end
	if errors.Is(err, context.DeadlineExceeded) {
		err = a.server.Close() // somebody is still reading a profile
	}
	if err != nil {
		return fmt.Errorf("obs: close the listener for operators: %w", err)
	}
	return nil
}
