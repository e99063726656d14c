// Package ratelimit is the service that says how much: it keeps the buckets of
// tokens that all gateways share, and grants tokens from them.
//
// It knows no limit of a single connection (gateways keep those), and refuses
// nothing to a client: gateways do, by what they were granted. Replicas share
// the buckets through a KV bucket in memory and own none, so any of them may be
// killed.
//
//	hub.svc.ratelimit.take   key, cost, want → granted, or when to come back
//
// Replicas count by their own clocks. A bucket is granted by as much more as
// these differ, so keep them within a second by NTP.
//
// Read this file first, then internal/serve and internal/bucket.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/ratelimit/internal/meter"
	"github.com/hubmesh/hubmesh/ratelimit/internal/serve"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Server is one replica of ratelimit.
type Server struct{ answers *serve.Answers }

// Listen returns when the replica can be asked: its bucket is there, and its
// subscriptions are with NATS. Until the bucket is there it makes it, or waits
// for it until ctx ends.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("ratelimit: read prefix: %w", err)
	}
	limits, err := shared(cfg)
	if err != nil {
		return nil, err
	}
	if err := store.Await(ctx, nc, tree, cfg.Store, kit.Log, subject.Quota); err != nil {
		return nil, fmt.Errorf("ratelimit: wait for the bucket: %w", err)
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	answers, err := serve.Listen(ctx, nc, serve.Config{Tree: tree, Store: cfg.Store, Limits: limits, Now: now}, meter.New(kit.Registry), kit.Log)
	if err != nil {
		return nil, err
	}
	return &Server{answers: answers}, nil
}

// shared is the limits that gateways share, by name.
func shared(cfg Config) (map[string]limit.Limit, error) {
	messages := cfg.UserMessages
	if messages == (limit.Limit{}) {
		messages, _ = limit.Builtin(limit.UserMessages)
	}
	if !messages.Timed() {
		return nil, errors.New("ratelimit: read limit user.messages: want N/period")
	}
	return map[string]limit.Limit{limit.UserMessages: messages}, nil
}

// Serve answers until ctx ends and the questions under way are answered. What
// NATS has sent by then and still waits is answered while the caller drains
// the connection; Serve does not close it.
func (s *Server) Serve(ctx context.Context) error { return s.answers.Serve(ctx) }

// Ready returns nil when NATS carries what the replica says, and its bucket is
// there.
func (s *Server) Ready(ctx context.Context) error { return s.answers.Ready(ctx) }

// Missing says whether the bucket that Listen waits for is not there, as
// store.Missing does.
func Missing(ctx context.Context, cfg Config, nc *nats.Conn) error {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return fmt.Errorf("ratelimit: read prefix: %w", err)
	}
	return store.Missing(ctx, nc, tree, subject.Quota)
}
