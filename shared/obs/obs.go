// Package obs is what operators see of a service: its log, its metrics and
// its health.
//
// It names the fields of log lines, but no metric: those are named in each
// module's internal/meter. It does not judge whether a service is ready; it
// asks, and tells. Read this file first, then health.go (what a probe hears)
// and admin.go (the listener for operators).
package obs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Kit is what every part of a service is given to be seen with. Both fields
// are set; several services in one process may share a Kit.
type Kit struct {
	Log      *slog.Logger
	Registry *prometheus.Registry
}

// Names of log fields. One thing has one name in every service, so that a
// search for a connection or a room finds all lines about it.
const (
	Conn    = "conn"    // a connection's id
	Room    = "room"    // type:id
	User    = "user"    // the sub of a token
	Door    = "door"    // native, socketio, …
	Subject = "subject" // a NATS subject
	Err     = "err"     // an error's text
	Gateway = "gateway" // a gateway's id
	Service = "service" // authz, gateway, presence or ratelimit
	Stream  = "stream"  // a JetStream stream
	Bucket  = "bucket"  // a KV bucket
	Key     = "key"     // a key of a bucket
	Addr    = "addr"    // a network address
)

// Logger writes lines of level and above to w: text for people on a terminal,
// one JSON object a line otherwise. Level is debug, info, warn or error; any
// other text means info.
func Logger(w io.Writer, level string, terminal bool) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // what it cannot read leaves it at info
	opts := &slog.HandlerOptions{Level: least}
	if terminal {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

// Terminal reports whether a person may be reading f.
func Terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// NewRegistry returns a registry that holds what Go and the system tell of
// this process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// Register adds c to reg and returns it, or returns the collector that was
// registered under these names before: services and replicas that share a
// registry share their figures. So a gauge that several may hold is moved by
// Add, never by Set, and must not be a GaugeFunc, as only the first's function
// would be asked. It panics when another kind of collector has the name, or
// when c is faulty.
func Register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	if err == nil {
		return c
	}
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if was, ok := twice.ExistingCollector.(C); ok {
			return was
		}
	}
	panic(fmt.Sprintf("obs: register %T: %v", c, err))
}
