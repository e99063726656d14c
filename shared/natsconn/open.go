package natsconn

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says where NATS is and how to log in there. Secrets in it are not
// logged: log no Config.
type Config struct {
	URL      string // comma-separated list; empty means nats://127.0.0.1:4222
	Creds    string // path of a .creds file
	User     string
	Password string
	NKey     string // path of a seed file
	TLSCA    string // path of a PEM file
	TLSCert  string
	TLSKey   string
	Options  []nats.Option // more, for example nats.InProcessServer; applied last
}

// Open connects as one service, and returns at once also while NATS is away:
// the connection then keeps trying for ever. Its states are logged, and a
// permission that the server refused is logged as an error, because the caller
// of the refused thing sees only silence.
//
// Choices that differ from the client's defaults, and why:
//   - pings every 2 s, two missed: a gateway on a frozen node is deaf for 6 s
//     instead of minutes;
//   - no buffer while reconnecting: what is published meanwhile fails at once
//     (nats.ErrReconnectBufExceeded) instead of being sent after it was
//     reported as failed;
//   - an inbox prefix of the service's own, so that rights can keep answers
//     apart.
func Open(cfg Config, service string, log *slog.Logger) (*nats.Conn, error) {
	url := cfg.URL
	if url == "" {
		url = nats.DefaultURL
	}
	opts := []nats.Option{
		nats.Name("hubmesh-" + service),
		nats.CustomInboxPrefix(subject.Inbox(service)),
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, time.Second),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ReconnectBufSize(-1),
		nats.DrainTimeout(10 * time.Second),
		nats.ConnectHandler(func(nc *nats.Conn) {
			log.Info("natsconn: connected", "server", nc.ConnectedServerName())
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("natsconn: connected again", "server", nc.ConnectedServerName())
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("natsconn: disconnected", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			var subj string
			if sub != nil {
				subj = sub.Subject
			}
			log.Error("natsconn: refused or overrun", "subject", subj, "err", err)
		}),
		nats.LameDuckModeHandler(func(*nats.Conn) {
			log.Info("natsconn: server is going away")
		}),
	}
	switch {
	case cfg.Creds != "":
		opts = append(opts, nats.UserCredentials(cfg.Creds))
	case cfg.NKey != "":
		o, err := nats.NkeyOptionFromSeed(cfg.NKey)
		if err != nil {
			return nil, fmt.Errorf("natsconn: read nkey seed %s: %w", cfg.NKey, err)
		}
		opts = append(opts, o)
	case cfg.User != "":
		opts = append(opts, nats.UserInfo(cfg.User, cfg.Password))
	}
	if cfg.TLSCA != "" {
		opts = append(opts, nats.RootCAs(strings.Split(cfg.TLSCA, ",")...))
	}
	if cfg.TLSCert != "" {
		opts = append(opts, nats.ClientCert(cfg.TLSCert, cfg.TLSKey))
	}
	nc, err := nats.Connect(url, append(opts, cfg.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("natsconn: connect as %s: %w", service, err) // the address may hold a login
	}
	return nc, nil
}
