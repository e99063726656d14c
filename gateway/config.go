package gateway

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/socket"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says how a gateway behaves. The zero Config is one for production.
type Config struct {
	Prefix         string         // first token of every subject; empty means "hub"
	ID             string         // 1 to 64 of [A-Za-z0-9_-], unique in the mesh; empty means the host's name and four random characters
	Listen         string         // host:port; empty means ":8080"
	Origins        []string       // who may open a connection from a page; empty means the same origin
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed; empty means nobody's
	MaxConnections int            // 0 means 10000
	MaxMessage     int64          // bytes of one message of a client; 0 means 1 MiB; what NATS carries bounds it too
	Drain          time.Duration  // how long a shutdown may take; 0 means 30s

	Heartbeat   time.Duration // told to clients; silent ones are pinged after it, and gone after twice that; 0 means 25s
	AuthWait    time.Duration // how long the first token may take to come; 0 means 10s
	LastWords   time.Duration // how long a closed connection is read on; 0 means 2s
	LeaseTTL    time.Duration // how long the mesh counts a dead gateway as alive, in whole seconds; 0 means 13s
	LeaseRenew  time.Duration // 0 means 2.5s
	LeaseWatch  time.Duration // how long another's lease under this id is watched; 0 means 3s, negative not at all
	DecideWait  time.Duration // bound of one answer of authz, then no; 0 means 2s
	RightsBound time.Duration // how long events go on to members after a change of rights that is not worked out; 0 means 1s
	RightsWait  time.Duration // how long authz may be silent about a change: so long about whom it touches, then so long about members, who are then closed with 1012; 0 means 5s
	TakeWait    time.Duration // bound of one answer of ratelimit; 0 means 500ms
	CallWait    time.Duration // bound of one answer of a backend; 0 means 10s
	StoreWait   time.Duration // how long a durable event is tried to be stored; 0 means 10s
	Follow      follow.Config // times and sizes of following the log

	Messages limit.Limit // of one connection; zero means the built-in connection.messages
	Signals  limit.Limit // of one connection; zero means the built-in connection.signals
	User     limit.Limit // of a user on all gateways; zero means the built-in user.messages

	Store store.Config // of streams that this gateway makes, where its rights allow

	Admin bool             // serve metrics and profiles on Listen too, for a process without an admin listener
	Demo  http.Handler     // what is served below / beside the rest; nil means nothing
	Now   func() time.Time // nil means time.Now
}

// maxID is the length of a gateway's id.
const maxID = 64

// Bind reads Config from the environment. listen is the default of
// HUBMESH_LISTEN.
func Bind(set *env.Set, cfg *Config, listen string) {
	subject.Bind(set, &cfg.Prefix)
	if set.String(&cfg.ID, "HUBMESH_GATEWAY_ID", "", "this gateway's id, unique in the mesh, 1 to 64 of A-Z a-z 0-9 _ -, others become -; else the host's name and four random characters") && len(cfg.ID) > maxID {
		set.Fault("HUBMESH_GATEWAY_ID", "longer than 64 characters")
	}
	set.Listen(&cfg.Listen, "HUBMESH_LISTEN", listen, "where clients connect and HTTP is served")
	if set.List(&cfg.Origins, "HUBMESH_ALLOWED_ORIGINS", "", "origins of pages that may connect, between commas: https://app.example.com, https://*.example.com or *; else the gateway's own") {
		if err := socket.CheckOrigins(cfg.Origins); err != nil {
			set.Fault("HUBMESH_ALLOWED_ORIGINS", err.Error())
		}
	}
	set.Prefixes(&cfg.TrustedProxies, "HUBMESH_TRUSTED_PROXIES", "", "CIDRs of proxies whose X-Forwarded-For is believed, between commas, or none")
	set.Int(&cfg.MaxConnections, "HUBMESH_MAX_CONNECTIONS", "10000", "connections of this gateway; more are refused with 503", 1, 10_000_000)
	set.Bytes(&cfg.MaxMessage, "HUBMESH_MAX_MESSAGE_BYTES", "1048576", "bytes of one message of a client; at most what NATS carries less 8 KiB")
	set.Duration(&cfg.Drain, "HUBMESH_DRAIN", "30s", "how long a shutdown may take: clients are asked to leave, spread over it")
	store.Bind(set, &cfg.Store)
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = ":8080"
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10_000
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 25 * time.Second
	}
	if c.LastWords == 0 {
		c.LastWords = 2 * time.Second
	}
	for _, l := range []struct {
		p    *limit.Limit
		name string
	}{{&c.Messages, limit.ConnectionMessages}, {&c.Signals, limit.ConnectionSignals}, {&c.User, limit.UserMessages}} {
		if *l.p == (limit.Limit{}) {
			*l.p, _ = limit.Builtin(l.name)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.ID = gatewayID(c.ID)
	return c
}

// gatewayID makes an id safe as one NATS token, or makes one up.
func gatewayID(id string) string {
	if id == "" {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "gateway"
		}
		id = host[:min(len(host), maxID-5)] + "-" + strings.ToLower(rand.Text()[:4])
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '-'
	}, id)
}
