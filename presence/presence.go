// Package presence is the service that knows who is here: which gateways
// live, and with what figures. Which users are in which rooms is not kept yet.
//
// It has no state of its own: each replica mirrors the bucket of leases that
// the gateways write, so all replicas answer the same and any may be killed.
// A gateway has ended when the NATS server ends its lease; no clock is
// compared with another.
//
// It decides nothing and tells nobody by itself; it answers. Read this file
// first, then internal/serve.
package presence

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/presence/internal/serve"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Server is one replica of presence.
type Server struct{ answers *serve.Answers }

// Listen returns when the replica can be asked: it has the bucket's snapshot,
// and its subscriptions are with NATS. Until the bucket is there it makes it, or
// waits for it until ctx ends.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("presence: read prefix: %w", err)
	}
	if err := store.Await(ctx, nc, tree, cfg.Store, kit.Log, needed()...); err != nil {
		return nil, fmt.Errorf("presence: wait for what it follows: %w", err)
	}
	answers, err := serve.Listen(ctx, nc, serve.Config{Tree: tree, Follow: cfg.Follow}, meter.New(kit.Registry), kit.Log)
	if err != nil {
		return nil, err
	}
	return &Server{answers: answers}, nil
}

// Serve answers until ctx ends and the questions under way are answered. What
// NATS has sent by then and still waits is answered while the caller drains
// the connection; Serve does not close it.
func (s *Server) Serve(ctx context.Context) error { return s.answers.Serve(ctx) }

// Ready returns nil when NATS carries what the replica says, and it knows all
// that the bucket holds.
func (s *Server) Ready(ctx context.Context) error { return s.answers.Ready(ctx) }

// Missing says which of the buckets that Listen waits for is not there, as
// store.Missing does.
func Missing(ctx context.Context, cfg Config, nc *nats.Conn) error {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return fmt.Errorf("presence: read prefix: %w", err)
	}
	return store.Missing(ctx, nc, tree, needed()...)
}

// needed is the buckets that it follows.
func needed() []string { return []string{subject.Gateways} }
