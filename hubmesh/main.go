// Command hubmesh is the whole house in one process, and a client of it for
// the terminal. One file is one command; dev.go is where to begin.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/hubmesh/hubmesh/hubmesh/internal/screen"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
)

// commands is what can be asked for. Fields below each are its arguments.
type commands struct {
	Dev      dev      `cmd:"" default:"1" help:"Run everything in this process: a NATS server, a gateway and the services (what plain hubmesh does)."`
	Sub      sub      `cmd:"" help:"Hear rooms, a line an event."`
	Pub      pub      `cmd:"" help:"Say something in a room."`
	Call     call     `cmd:"" help:"Ask a backend, and print its answer."`
	Subject  subject  `cmd:"" help:"Print the NATS subjects of a room, for backends."`
	Token    token    `cmd:"" help:"Make a token, signed with the configured secret or the one of hubmesh dev."`
	Relation relation `cmd:"" help:"Who is a member of what, and what lies below what."`
	Policy   policy   `cmd:"" help:"Who may do what in which type of rooms."`
	Why      why      `cmd:"" help:"Say what a user may do in a room, and which rule, claim or relations decided."`
	Setup    setup    `cmd:"" help:"Make the streams and buckets in NATS, or bring them up to date; needs admin rights there."`
}

// command is one of commands.
type command interface {
	// bind binds the variables of the environment that the command reads.
	bind(set *env.Set)
	// Run does it. An error that is a usage ends with status 2.
	Run(ctx context.Context, c console) error
}

// console is what a command is given to be seen with.
type console struct {
	program.Process
	Style screen.Style // of what goes to Stdout
}

// usage is an error in what was asked for.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func main() {
	ctx, stop := life.Signals(context.Background())
	_, plain := os.LookupEnv("NO_COLOR") // no-color.org
	code := run(ctx, console{
		Process: program.Process{
			Args: os.Args[1:], Lookup: os.LookupEnv,
			Stdout: os.Stdout, Stderr: os.Stderr, Terminal: obs.Terminal(os.Stderr),
		},
		Style: screen.Style{Colour: obs.Terminal(os.Stdout) && !plain},
	})
	stop()
	os.Exit(code)
}

// run does what the arguments ask for, and returns the exit status.
func run(ctx context.Context, c console) (status int) {
	helped := false
	var all commands
	parser, err := kong.New(&all,
		kong.Name("hubmesh"), kong.Description("Rooms over WebSockets for clients, over NATS for backends."),
		kong.Writers(c.Stdout, c.Stderr), kong.Exit(func(int) { helped = true }),
		kong.Help(all.help), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		panic(err) // the commands above are written wrongly
	}
	parsed, err := parser.Parse(c.Args)
	if helped {
		return program.OK
	}
	if err != nil {
		return c.fail(usage{fmt.Errorf("%w; see hubmesh --help", err)})
	}
	cmd := all.selected(parsed)
	set := env.New(c.Lookup)
	cmd.bind(set)
	if err := set.Parse(); err != nil {
		program.Faults(c.Stderr, "hubmesh", err)
		return program.Usage
	}
	return c.fail(cmd.Run(ctx, c))
}

// fail tells an error, if there is one, and returns the exit status for it.
func (c console) fail(err error) (status int) {
	if err == nil {
		return program.OK
	}
	_, _ = fmt.Fprintln(c.Stderr, "hubmesh:", err)
	if errors.As(err, &usage{}) {
		return program.Usage
	}
	return program.Failed
}

// selected is the command that was asked for; without one it is dev.
func (all *commands) selected(parsed *kong.Context) command {
	if node := parsed.Selected(); node != nil {
		if cmd, ok := node.Target.Addr().Interface().(command); ok {
			return cmd
		}
	}
	return &all.Dev
}

// help prints kong's help and then the variables that the command reads.
func (all *commands) help(options kong.HelpOptions, parsed *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, parsed); err != nil {
		return err
	}
	if node := parsed.Selected(); node != nil && !node.Leaf() {
		return nil // a group: its commands read some
	}
	set := env.New(func(string) (string, bool) { return "", false })
	all.selected(parsed).bind(set)
	if _, err := fmt.Fprintln(parsed.Stdout, "\nVariables of the environment that it reads:"); err != nil {
		return err
	}
	set.Usage(parsed.Stdout)
	return nil
}
