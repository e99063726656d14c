package natstest

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
)

// Wire is the network between clients and one server, which a test can cut: a
// TCP proxy. Safe for concurrent use.
type Wire struct {
	to nats.InProcessConnProvider
	l  net.Listener
	wg sync.WaitGroup // the goroutines of accept and carry

	mu  sync.Mutex            // guards the fields below
	cut bool                  // no new ones are let through
	up  map[net.Conn]struct{} // both ends of every connection
}

// NewWire opens a Wire to s on a loopback port, also where s itself listens on
// none. It ends with the test.
func NewWire(t testing.TB, s nats.InProcessConnProvider) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("natstest: open wire: %v", err)
	}
	w := &Wire{to: s, l: l, up: map[net.Conn]struct{}{}}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		w.wg.Wait()
	})
	return w
}

// URL is where clients dial the wire.
func (w *Wire) URL() string { return "nats://" + w.l.Addr().String() }

// Conn connects through the wire, like the function Conn. It keeps to the wire
// even where a cluster tells it of other servers.
func (w *Wire) Conn(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return open(t, w.URL(), append([]nats.Option{nats.IgnoreDiscoveredServers()}, opts...))
}

// Cut breaks all connections through the wire and refuses new ones until Mend.
// Meanwhile the wire does not touch its server, which may be replaced.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.up {
		_ = c.Close()
	}
}

// Mend lets new connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func (w *Wire) accept() {
	for {
		near, err := w.l.Accept()
		if err != nil {
			return
		}
		w.carry(near)
	}
}

func (w *Wire) carry(near net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = near.Close()
		return
	}
	far, err := w.to.InProcessConn()
	if err != nil {
		_ = near.Close()
		return
	}
	hangUp := func() { _, _ = near.Close(), far.Close() }
	w.up[near], w.up[far] = struct{}{}, struct{}{}
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		hangUp()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.up, from)
	}
	w.wg.Go(func() { one(near, far) })
	w.wg.Go(func() { one(far, near) })
}
