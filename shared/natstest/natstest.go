// Package natstest gives tests a real NATS server inside the test: one server
// on no port, three of them as a cluster, and a network that can be cut.
//
// It fakes nothing and is for tests only. Server, Conn and Mesh (this file)
// are what most tests need; cluster.go has the cluster whose nodes stop and
// whose leaders step down, wire.go the cut, raw.go what no client library sends.
package natstest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// User is the service that connections of tests open as: their inboxes begin
// with subject.Inbox(User). A test that logs in as another says so with
// nats.CustomInboxPrefix.
const User = "test"

// readyWait bounds a server's start and an election. They take milliseconds, or
// seconds where a leader died; a loaded machine takes longer.
const readyWait = 2 * time.Minute

// Server starts a server with JetStream in a folder of the test's own, on no
// port, with our max_payload of 2 MB. The functions of more change its options
// before it starts. It ends with the test, after connections that were opened
// later.
func Server(t testing.TB, more ...func(*server.Options)) *server.Server {
	t.Helper()
	o := options(t.TempDir())
	o.ServerName, o.DontListen = "test", true
	for _, change := range more {
		change(o)
	}
	s := start(t, o)
	t.Cleanup(func() { stop(s) })
	return s
}

// Conn connects to s inside the process, with the options of every service
// (natsconn.Open); opts are applied last. It closes with the test.
func Conn(t testing.TB, s nats.InProcessConnProvider, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return open(t, "", append([]nats.Option{nats.InProcessServer(s)}, opts...))
}

// Mesh starts a Server where all streams and buckets below the default prefix
// are made, and a Conn to it.
func Mesh(t testing.TB, more ...func(*server.Options)) (*server.Server, *nats.Conn) {
	t.Helper()
	s := Server(t, more...)
	nc := Conn(t, s)
	if err := store.Setup(t.Context(), nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	return s, nc
}

func open(t testing.TB, url string, opts []nats.Option) *nats.Conn {
	t.Helper()
	nc, err := natsconn.Open(natsconn.Config{URL: url, Options: opts}, User, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func options(dir string) *server.Options {
	return &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: dir,
		// Not what the machine has: HUB_EVENTS reserves its 10 GiB at once.
		JetStreamMaxStore: 64 << 30, JetStreamMaxMemory: 1 << 30,
		MaxPayload: 2 << 20, NoSigs: true, NoLog: true,
	}
}

func start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatalf("natstest: make server %s: %v", o.ServerName, err)
	}
	s.Start()
	if !s.ReadyForConnections(readyWait) {
		s.Shutdown()
		t.Fatalf("natstest: start server %s: not ready in %v", o.ServerName, readyWait)
	}
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
