package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says what a mesh is made of. Secrets are in it: log no Config.
type Config struct {
	Prefix string       // first token of every subject, for all services; empty means "hub"
	Store  store.Config // how much is kept; EventMaxBytes 0 means 1 GiB

	// NATS is the server to use. Without a URL in it one is started in this
	// process.
	NATS       natsconn.Config
	Dir        string // folder of our own server, made when missing; empty means ".hubmesh"
	NATSListen string // host:port of our own server; empty means 127.0.0.1:4222, or the next free port

	Without  []string // services that somebody else answers for; their names as in subject
	Gateways int      // in this process; 0 means 1

	Authz     authz.Config
	Presence  presence.Config
	Ratelimit ratelimit.Config

	// Gateway is each gateway's. An empty Listen means 127.0.0.1:8080, or the
	// next free port; the second gateway and later ones take the next free
	// port in any case. To an ID they add their number.
	Gateway gateway.Config
}

const (
	defaultListen     = "127.0.0.1:8080"
	defaultNATSListen = "127.0.0.1:4222"
	defaultDir        = ".hubmesh"
	defaultEventBytes = 1 << 30 // NATS reserves it at once, and a developer's disk is not a server's
)

const (
	listenName     = "HUBMESH_LISTEN"
	natsListenName = "HUBMESH_DEV_NATS_LISTEN"
	withoutName    = "HUBMESH_DEV_WITHOUT"
)

// Bind reads Config from the environment, for development: listeners are on
// loopback, and a NATS server is started unless one is named. What is bound
// here first is what --help shows where a service has another default.
func Bind(set *env.Set, cfg *Config) {
	var listen string
	if !set.Listen(&listen, listenName, defaultListen, "where clients and HTTP are served; if this default is taken, the next free port") {
		listen = ""
	}
	external := set.String(new(string), "HUBMESH_NATS_URL", "", "NATS to use, instead of a server in this process")
	natsconn.Bind(set, &cfg.NATS)
	if !external {
		cfg.NATS.URL = ""
	}
	datadir.Bind(set, &cfg.Dir)
	if !set.Listen(&cfg.NATSListen, natsListenName, defaultNATSListen, "where that server listens for backends; if this default is taken, the next free port") {
		cfg.NATSListen = ""
	}
	bindWithout(set, &cfg.Without)
	subject.Bind(set, &cfg.Prefix)
	if cfg.Store.EventMaxBytes == 0 {
		cfg.Store.EventMaxBytes = defaultEventBytes
	}
	store.Bind(set, &cfg.Store)
	gateway.Bind(set, &cfg.Gateway, defaultListen)
	authz.Bind(set, &cfg.Authz)
	presence.Bind(set, &cfg.Presence)
	ratelimit.Bind(set, &cfg.Ratelimit)
	cfg.Gateway.Listen = listen
}

func bindWithout(set *env.Set, without *[]string) {
	set.List(without, withoutName, "", "services not to start, because one's own answer: "+strings.Join(optional(), ", "))
	for _, name := range *without {
		if !slices.Contains(optional(), name) {
			set.Fault(withoutName, fmt.Sprintf("%q: want some of %s", name, strings.Join(optional(), ", ")))
		}
	}
}

// optional is the services that a mesh may leave to others.
func optional() []string { return []string{subject.Authz, subject.Presence, subject.Ratelimit} }

// complete fills in defaults, and hands to each service what is common to all.
func (c Config) complete() Config {
	if c.Dir == "" {
		c.Dir = defaultDir
	}
	if c.Store.EventMaxBytes == 0 {
		c.Store.EventMaxBytes = defaultEventBytes
	}
	c.Gateways = max(1, c.Gateways)
	if c.NATS.URL == "" && c.Gateway.LeaseWatch == 0 {
		c.Gateway.LeaseWatch = -1 // on our own server a lease that is there is a dead gateway's
	}
	c.Gateway.Store, c.Authz.Store, c.Presence.Store, c.Ratelimit.Store = c.Store, c.Store, c.Store, c.Store
	c.Gateway.Prefix, c.Authz.Prefix, c.Presence.Prefix, c.Ratelimit.Prefix = c.Prefix, c.Prefix, c.Prefix, c.Prefix
	return c
}
