// Package authz is the service that says who may connect and who may enter: it
// checks tokens, and answers what a user may do in rooms, and whom it concerns
// when that changes.
//
// It has no state of its own: policy, relations and revocations are buckets that
// each replica follows, so all answer the same and any may be killed. It issues
// tokens to nobody but who holds the secret (Mint, for trying things out); users
// come from elsewhere. Anyone may replace it by answering connect and join.
//
//	hub.svc.authz.connect   token → user, claims, end          internal/token
//	hub.svc.authz.join      user, claims, rooms → rights       internal/policy, internal/relation
//	hub.svc.authz.joins     the same for many, after a change
//	hub.svc.authz.touched   whom changes concern               internal/ledger
//	hub.svc.authz.explain   what decided
//
// Read this file first, then internal/serve (what is answered) and
// internal/book (what answers are made of).
package authz

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/book"
	"github.com/hubmesh/hubmesh/authz/internal/jwks"
	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/authz/internal/serve"
	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Server is one replica of authz.
type Server struct{ answers *serve.Answers }

// Listen returns when the replica can be asked: it has read the buckets, which
// hold the rules of cfg where they held none, and its subscriptions are with
// NATS. Until the buckets are there it makes them, or waits for them until ctx
// ends. It returns an error when cfg holds no key, or one that cannot serve, or
// a policy with a fault.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("authz: read prefix: %w", err)
	}
	m := meter.New(kit.Registry)
	tokens, published, err := verifier(cfg, m, kit)
	if err != nil {
		return nil, err
	}
	values, err := seeds(cfg)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := store.Await(ctx, nc, tree, cfg.Store, kit.Log, needed()...); err != nil {
		return nil, fmt.Errorf("authz: wait for what it follows: %w", err)
	}
	rights, err := book.Listen(ctx, nc, book.Config{Tree: tree, Seeds: values, Follow: cfg.Follow}, m, kit.Log)
	if err != nil {
		return nil, fmt.Errorf("authz: read what rights are made of: %w", err)
	}
	answers, err := serve.Listen(ctx, nc, serve.Config{
		Tree: tree, Tokens: tokens, Book: rights, Published: published, Now: cfg.Now, Behind: cfg.BehindWait,
	}, m, kit.Log)
	if err != nil {
		return nil, err
	}
	return &Server{answers: answers}, nil
}

// verifier is what judges tokens, and the keys that it reads for that, if any.
func verifier(cfg Config, m *meter.Meter, kit obs.Kit) (tokens *token.Verifier, published *jwks.Set, err error) {
	c := token.Config{
		Secret: cfg.Secret, Previous: cfg.Previous, PublicKeys: cfg.PublicKeys, Issuer: cfg.Issuer, Audience: cfg.Audience,
	}
	if cfg.JWKS.URL != "" {
		published = jwks.New(cfg.JWKS, m, kit.Log)
		c.Published = published
	}
	tokens, err = token.New(c)
	if err != nil {
		return nil, nil, fmt.Errorf("authz: read keys: %w", err)
	}
	return tokens, published, nil
}

// Missing says which of the buckets that Listen waits for is not there, as
// store.Missing does.
func Missing(ctx context.Context, cfg Config, nc *nats.Conn) error {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return fmt.Errorf("authz: read prefix: %w", err)
	}
	return store.Missing(ctx, nc, tree, needed()...)
}

// needed is the buckets that it follows.
func needed() []string { return []string{subject.Policy, subject.Relations, subject.Revoked} }

// Serve answers until ctx ends and the questions under way are answered. What
// NATS has sent by then and still waits is answered while the caller drains
// the connection; Serve does not close it.
func (s *Server) Serve(ctx context.Context) error { return s.answers.Serve(ctx) }

// Ready returns nil when NATS carries what the replica says, and it knows all
// that the buckets hold, and has read the keys that the issuer publishes.
func (s *Server) Ready(ctx context.Context) error { return s.answers.Ready(ctx) }

// Mint signs a token of the user sub with secret (32 bytes or more) by HS256,
// issued at now. It expires after ttl, exact to the millisecond, or never if
// ttl is 0. Claims are put beside sub, iat and exp, which they cannot name.
func Mint(secret, sub string, claims map[string]any, ttl time.Duration, now time.Time) (string, error) {
	return token.Mint(secret, sub, claims, ttl, now)
}
