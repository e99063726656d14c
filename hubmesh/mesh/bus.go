package mesh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
)

const (
	// anyone is the NATS user of who logs in as nobody, and may do all: on a
	// developer's machine `nats sub '>'` is how one learns.
	anyone = "anyone"

	maxPayload = 2 << 20 // as nats.conf has it

	// roomBeside is what the store may take beside the log of events.
	roomBeside = 1 << 30
	maxMemory  = 256 << 20 // buckets in memory

	busWait = 10 * time.Second // for a server that opens its port; it takes milliseconds
)

// bus is a NATS server inside this process.
type bus struct {
	server    *server.Server
	passwords map[string]string // by NATS user
}

// busConfig is what startBus needs.
type busConfig struct {
	dir       *datadir.Dir
	addr      string // host:port; port 0 is any
	eventsMax int64  // bound of the log of events, which the store must hold
	tree      subject.Tree
	log       *slog.Logger
}

// startBus starts a server on a free port. Each user of the tree has a
// password of this start's own, which only this process knows.
func startBus(cfg busConfig) (*bus, error) {
	host, port, err := splitAddr(cfg.addr)
	if err != nil {
		return nil, fmt.Errorf("mesh: listen for NATS: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	b := &bus{passwords: map[string]string{}}
	o := &server.Options{
		ServerName: "hubmesh-dev", Host: host, Port: port,
		JetStream: true, StoreDir: cfg.dir.Store(),
		JetStreamMaxStore: cfg.eventsMax + roomBeside, JetStreamMaxMemory: maxMemory,
		MaxPayload: maxPayload, NoSigs: true, NoLog: true,
		Users: b.users(cfg.tree), NoAuthUser: anyone,
	}
	if b.server, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("mesh: make NATS server: %w", err)
	}
	said := &busLog{log: cfg.log, fatal: make(chan string, 1)}
	b.server.SetLoggerV2(said, false, false, false)
	b.server.Start()
	if err := said.await(b.server); err != nil {
		b.stop()
		return nil, fmt.Errorf("mesh: start NATS server: %w", err)
	}
	return b, nil
}

// users makes the server's users of the tree's rights.
func (b *bus) users(tree subject.Tree) []*server.User {
	users := []*server.User{{Username: anyone, Password: rand.Text()}}
	for _, p := range tree.Users() {
		b.passwords[p.User] = rand.Text()
		users = append(users, &server.User{
			Username: p.User, Password: b.passwords[p.User], Permissions: permissions(p),
		})
	}
	return users
}

func permissions(p subject.Permissions) *server.Permissions {
	// A list that is nil allows all; an empty one allows nothing.
	perms := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: append([]string{}, p.Publish...), Deny: p.PublishDeny},
		Subscribe: &server.SubjectPermission{Allow: append([]string{}, p.Subscribe...)},
	}
	if p.Responses {
		perms.Response = &server.ResponsePermission{
			MaxMsgs: server.DEFAULT_ALLOW_RESPONSE_MAX_MSGS, Expires: server.DEFAULT_ALLOW_RESPONSE_EXPIRATION,
		}
	}
	return perms
}

// login is how a user of the tree reaches the server, inside the process.
func (b *bus) login(user string) natsconn.Config {
	return natsconn.Config{
		User: user, Password: b.passwords[user],
		Options: []nats.Option{nats.InProcessServer(b.server)},
	}
}

// url is where other programs reach the server.
func (b *bus) url() string { return b.server.ClientURL() }

// stop ends the server. Every client inside the process must be closed before:
// one that reconnects into a server that is ending hangs, holding its lock.
// Lame duck mode would take 11 s and turn JetStream off first.
func (b *bus) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// busLog takes the server's log. A fatal line would end a NATS server of its
// own; here it is why the start failed.
type busLog struct {
	log   *slog.Logger
	fatal chan string // holds the first
}

// await returns when the server takes connections, or why it never will.
func (l *busLog) await(s *server.Server) error {
	const step = 50 * time.Millisecond
	for range busWait / step {
		if s.ReadyForConnections(step) {
			return nil
		}
		select {
		case why := <-l.fatal:
			return errors.New(why)
		default:
		}
	}
	return fmt.Errorf("not ready after %v", busWait)
}

const (
	said = "mesh: NATS server"

	// plainPasswords is a warning for files; ours are in memory, for one start.
	plainPasswords = "Plaintext passwords detected, use nkeys or bcrypt"
)

func (l *busLog) Noticef(format string, v ...any) {
	l.log.Debug(said, "says", fmt.Sprintf(format, v...))
}
func (l *busLog) Errorf(format string, v ...any) {
	l.log.Error(said, "says", fmt.Sprintf(format, v...))
}
func (l *busLog) Debugf(string, ...any) {}
func (l *busLog) Tracef(string, ...any) {}

func (l *busLog) Warnf(format string, v ...any) {
	if format != plainPasswords {
		l.log.Warn(said, "says", fmt.Sprintf(format, v...))
	}
}

func (l *busLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default: // the first says it
	}
}

// warnings is a log of what is amiss only. That connections inside the process
// come and go is no news to anybody.
type warnings struct{ slog.Handler }

// Enabled reports whether level is a warning or worse, and logged.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs keeps to warnings.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup keeps to warnings.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
