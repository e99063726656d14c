package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Nodes is a cluster of servers with JetStream in the process of the test, on
// loopback ports. Safe for concurrent use.
type Nodes struct {
	t   testing.TB
	all []member
	ctl *nats.Conn

	mu   sync.Mutex // guards node
	node []*server.Server
}

// Cluster starts n servers and returns when JetStream answers on all. They end
// with the test.
func Cluster(t testing.TB, n int) *Nodes {
	t.Helper()
	c := &Nodes{t: t, all: members(t, n), node: make([]*server.Server, n)}
	t.Cleanup(func() {
		for _, s := range c.node {
			if s != nil {
				stop(s)
			}
		}
	})
	for i := range n {
		c.node[i] = start(t, c.all[i].options())
	}
	c.until("a cluster of all its nodes", func() bool {
		return slices.ContainsFunc(c.node, func(s *server.Server) bool { return leads(s, n) })
	})
	for i := range n {
		c.healthy(i)
	}
	c.ctl = c.Conn(0)
	return c
}

// Server is node i, running or not.
func (c *Nodes) Server(i int) *server.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node[i]
}

// Conn connects to node i over TCP, and to the others while that one is away.
func (c *Nodes) Conn(i int, opts ...nats.Option) *nats.Conn {
	c.t.Helper()
	return open(c.t, address(c.all, i), append([]nats.Option{nats.DontRandomize()}, opts...))
}

// Leader is the node that leads the stream, or -1 while none does.
func (c *Nodes) Leader(stream string) int {
	for i := range c.all {
		if c.Server(i).JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

// StepDown makes the stream's leader give up its office, and returns when
// there is a leader again.
func (c *Nodes) StepDown(stream string) {
	c.t.Helper()
	if _, err := c.ctl.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil, readyWait); err != nil {
		c.t.Errorf("natstest: step down the leader of %s: %v", stream, err)
	}
	c.until("a leader of "+stream, func() bool { return c.Leader(stream) >= 0 })
}

// Stop shuts node i down.
func (c *Nodes) Stop(i int) { stop(c.Server(i)) }

// Start starts nodes again, with their stores and addresses, and returns when
// all have caught up. Those that need each other for a quorum are started
// together: one alone may never be well.
func (c *Nodes) Start(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		s := start(c.t, c.all[i].options())
		c.mu.Lock()
		c.node[i] = s
		c.mu.Unlock()
	}
	for _, i := range nodes {
		c.healthy(i)
	}
}

// leads reports whether s leads a cluster of n and sees all others. Before
// that a stream of n replicas is refused.
func leads(s *server.Server, n int) bool {
	if n == 1 || !s.JetStreamIsLeader() {
		return n == 1
	}
	z, err := s.Jsz(nil)
	return err == nil && z.Meta != nil && len(z.Meta.Replicas) == n-1 &&
		!slices.ContainsFunc(z.Meta.Replicas, func(p *server.PeerInfo) bool { return p.Offline || !p.Current })
}

func (c *Nodes) healthy(i int) {
	c.t.Helper()
	s := c.Server(i)
	c.until("health of "+s.Name(), func() bool {
		return s.Healthz(&server.HealthzOptions{}).Status == "ok"
	})
}

// until asks again and again, since a server tells nobody of what happens
// inside it.
func (c *Nodes) until(what string, ok func() bool) {
	c.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(readyWait); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			c.t.Errorf("natstest: wait for %s: not in %v", what, readyWait)
			return
		}
	}
}

// member is one node of a cluster, in this process or in one of its own.
type member struct {
	Name   string
	Dir    string   // of its store
	At     string   // host:port for clients
	Mesh   string   // host:port for the other nodes
	Others []string // where those are
}

// members are n nodes that know one another, with stores and addresses that
// they keep over restarts.
func members(t testing.TB, n int) (all []member) {
	t.Helper()
	at := Addresses(t, 2*n)
	for i := range n {
		m := member{Name: fmt.Sprintf("n%d", i), Dir: t.TempDir(), At: at[i], Mesh: at[n+i]}
		for j := range n {
			if j != i {
				m.Others = append(m.Others, at[n+j])
			}
		}
		all = append(all, m)
	}
	return all
}

// address is where clients find a node, and the others while that is away.
func address(all []member, first int) string {
	var urls []string
	for i := range all {
		urls = append(urls, "nats://"+all[(first+i)%len(all)].At)
	}
	return strings.Join(urls, ",")
}

func (m member) options() *server.Options {
	o := options(m.Dir)
	o.ServerName = m.Name
	o.Port = port(m.At)
	o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port(m.Mesh)}
	for _, at := range m.Others {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: at})
	}
	return o
}

// Addresses picks n on loopback whose ports nobody listens on, for servers that
// must be known before they start, or come back where they were: members of a
// cluster, other processes. The ports lie below those that systems give to
// whoever connects: while a server is away, no client sits on its port.
func Addresses(t testing.TB, n int) (all []string) {
	t.Helper()
	const first, ports, tries = 20_000, 12_000, 1000
	for range tries {
		if len(all) == n {
			break
		}
		at := first + rand.IntN(ports) //nolint:gosec // whoever guesses it gains nothing
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at))
		if err != nil {
			continue // somebody is there
		}
		defer func() { _ = l.Close() }() // after all are found, or one is found twice
		all = append(all, l.Addr().String())
	}
	if len(all) < n {
		t.Fatalf("natstest: find %d ports: %d in %d tries", n, len(all), tries)
	}
	return all
}

func port(address string) int {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err) // of a listener's own address
	}
	return a.Port
}
