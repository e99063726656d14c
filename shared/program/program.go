// Package program is what the main of every service does: it reads the
// configuration, opens NATS and the listener for operators, runs the service
// until a signal comes, and exits with 0, 1 after a failure, or 2 when it was
// asked for something it cannot do.
//
// It knows no service: a Program says what one is. Read this file first (what
// people see), then run.go (what happens in which order).
package program

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// Exit statuses.
const (
	OK     = 0 // it was told to end, and all is drained
	Failed = 1 // it could not go on; the log's last line says why
	Usage  = 2 // arguments or configuration; stderr names every fault
)

// Server is a service that can be asked. Ready is an obs.Ready.
type Server interface {
	life.Server
	Ready(ctx context.Context) error
}

// Program is one service as a program of its own. All fields but Needs must be
// set.
type Program struct {
	Name  string // subject.Presence, …: also the name of its NATS connection
	About string // what it does, in a line or more, for --help
	Admin string // default of HUBMESH_ADMIN_LISTEN

	// Bind reads the service's own configuration.
	Bind func(*env.Set)

	// Needs says what is missing for Listen to return, or nil. It is asked by
	// probes while Listen has not returned, and at the same time.
	Needs func(context.Context, *nats.Conn) error

	// Listen returns when the service can be asked. nc was connected when it
	// is called.
	Listen func(context.Context, *nats.Conn, obs.Kit) (Server, error)
}

// Process is what the system gives a program.
type Process struct {
	Args     []string // without the program's name
	Lookup   func(name string) (value string, ok bool)
	Stdout   io.Writer
	Stderr   io.Writer // faults and the log
	Terminal bool      // a person reads Stderr
}

// Main runs p as this process, and exits.
func Main(p Program) {
	ctx, stop := life.Signals(context.Background())
	code := p.Run(ctx, Process{
		Args: os.Args[1:], Lookup: os.LookupEnv,
		Stdout: os.Stdout, Stderr: os.Stderr, Terminal: obs.Terminal(os.Stderr),
	})
	stop()
	os.Exit(code)
}

// Run runs p until ctx ends or it fails, and returns its exit status.
func (p Program) Run(ctx context.Context, proc Process) (status int) {
	var cfg config
	set := env.New(proc.Lookup)
	p.Bind(set)
	natsconn.Bind(set, &cfg.nats)
	obs.Bind(set, &cfg.obs, p.Admin)
	for _, arg := range proc.Args {
		if !slices.Contains([]string{"--help", "-help", "-h", "help"}, arg) {
			_, _ = fmt.Fprintf(proc.Stderr, "%s: unknown argument %q: everything is set by the environment, see %s --help\n", p.Name, arg, p.Name)
			return Usage
		}
	}
	if len(proc.Args) > 0 {
		Help(proc.Stdout, p.Name, p.About, set)
		return OK
	}
	if err := set.Parse(); err != nil {
		Faults(proc.Stderr, p.Name, err)
		return Usage
	}
	log := obs.Logger(proc.Stderr, cfg.obs.Level, proc.Terminal).With(obs.Service, p.Name)
	if err := p.run(ctx, cfg, obs.Kit{Log: log, Registry: obs.NewRegistry()}); err != nil {
		log.Error("program: ended by a failure", obs.Err, err)
		return Failed
	}
	log.Info("program: ended")
	return OK
}

// Help prints what a program is and every variable it reads.
func Help(w io.Writer, name, about string, set *env.Set) {
	_, _ = fmt.Fprintf(w, "%s: %s\n\nIt is configured by these variables of the environment:\n", name, about)
	set.Usage(w)
}

// Faults prints all faults of a configuration, a line each.
func Faults(w io.Writer, name string, faults error) {
	_, _ = fmt.Fprintf(w, "%s: cannot start with this configuration:\n  %s\nsee %s --help\n",
		name, strings.ReplaceAll(faults.Error(), "\n", "\n  "), name)
}
