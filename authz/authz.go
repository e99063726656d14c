// Package authz is the service that says who may connect and who may enter: it
// checks tokens, and answers what a user may do in rooms.
//
// It has no state: each replica answers from its keys and the claims it is
// given, and any may be killed. It issues tokens to nobody but who holds the
// secret (Mint, for trying things out); users come from elsewhere. Anyone may
// replace it by answering its two subjects.
//
//	hub.svc.authz.connect   token → user, claims, end       internal/token
//	hub.svc.authz.join      user, claims, rooms → rights    internal/policy
//
// Read this file first, then internal/serve.
package authz

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/authz/internal/serve"
	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Server is one replica of authz.
type Server struct{ answers *serve.Answers }

// Listen returns when the replica can be asked: its subscriptions are with
// NATS. It returns an error when cfg holds no key, or one that cannot serve.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("authz: read prefix: %w", err)
	}
	tokens, err := token.New(token.Config{
		Secret: cfg.Secret, PublicKeys: cfg.PublicKeys, Issuer: cfg.Issuer, Audience: cfg.Audience,
	})
	if err != nil {
		return nil, fmt.Errorf("authz: read keys: %w", err)
	}
	values, err := seeds(cfg)
	if err != nil {
		return nil, err
	}
	rooms := policy.Policy{}
	for typ, value := range values {
		if rooms[typ], err = policy.ReadValue("policy", typ, value); err != nil {
			return nil, fmt.Errorf("authz: read policy: %w", err)
		}
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	answers, err := serve.Listen(ctx, nc, serve.Config{Tree: tree, Tokens: tokens, Policy: rooms, Now: now}, meter.New(kit.Registry), kit.Log)
	if err != nil {
		return nil, err
	}
	return &Server{answers: answers}, nil
}

// Serve answers until ctx ends and the questions under way are answered. What
// NATS has sent by then and still waits is answered while the caller drains
// the connection; Serve does not close it.
func (s *Server) Serve(ctx context.Context) error { return s.answers.Serve(ctx) }

// Ready returns nil when NATS carries what the replica says.
func (s *Server) Ready(ctx context.Context) error { return s.answers.Ready(ctx) }

// Mint signs a token of the user sub with secret (32 bytes or more) by HS256,
// issued at now. It expires after ttl, exact to the millisecond, or never if
// ttl is 0. Claims are put beside sub, iat and exp, which they cannot name.
func Mint(secret, sub string, claims map[string]any, ttl time.Duration, now time.Time) (string, error) {
	return token.Mint(secret, sub, claims, ttl, now)
}
