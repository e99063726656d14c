// Package presence is the service that knows who is here: which users are in
// which rooms and in the mesh, how they are, and which gateways live. Gateways
// report their connections to it, hear from it what to tell their clients, and
// ask it; so may backends.
//
// It has no state of its own. Every replica follows the same logs, so all know
// the same, and any may be killed, all at once too:
//
//	gateways ─ report ─► HUB_PRESENCE   one key a connection, as it stands
//	                         │ followed by every replica: who is here
//	                         ▼
//	                     HUB_TOLD       the newest word on each user in each room,
//	                         │          told by one replica
//	                         ▼ hub.told.>
//	                     gateways ─ presence:update ─► clients
//
// What it promises, and by what each holds:
//
//	a user is here while any connection is      roster: a function of the newest record of each key
//	all replicas agree                          the same; no clock, no state beside the log
//	who is back within 5 s has not left         the end is a record that NATS ends after 5 s; its marker is the leave
//	an unsubscribe is told at once              the room is taken out of the record, and of those in grace
//	each change is told once                    a word is stored by compare-and-set on the one before (told)
//	… also when no replica was there            the difference of roster and words is told at start (desk)
//	… in the order of the log                   words are sent as records come, each says how far its teller knew
//	the status is the user's, the last wins     it is stamped above what is known, and kept on all of his connections
//	invisible is offline to others              a face that is invisible is told as a leave, and left out of answers
//	a snapshot joins the later updates          it is what was told up to a position in HUB_TOLD
//	a dead gateway's users have left in 20 s    13 s of lease, 3 s of proof that NATS takes writes (sweep)
//	a bus that was away ends nobody             the same proof: a gateway that lives writes its lease first
//	one end a connection in HUB_CLIENTS         a key that has ended stays until the end is recorded (desk, end.go)
//	reports may come twice, late, anywhere      a report is the whole of a connection, with a turn (roster.Stand)
//	a large room costs no more for being large  rosters are in order (ordered): a page is two binary searches
//
// It passes nothing on to clients and gathers nothing for large rooms: gateways
// do. It does not judge who may ask: gateways do, by authz's word.
//
// Read this file first, then internal/serve (what comes in), internal/desk
// (what follows from it), internal/roster and internal/told (what is true, and
// what was told).
package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/presence/internal/serve"
	"github.com/hubmesh/hubmesh/presence/internal/sweep"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Server is one replica of presence.
type Server struct{ answers *serve.Answers }

// Listen returns when the replica can be asked: it knows all that the logs
// hold, and its subscriptions are with NATS. Until the streams and buckets are
// there it makes them, or waits for them until ctx ends.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, kit obs.Kit) (*Server, error) {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("presence: read prefix: %w", err)
	}
	if err := store.Await(ctx, nc, tree, cfg.Store, kit.Log, needed()...); err != nil {
		return nil, fmt.Errorf("presence: wait for what it follows: %w", err)
	}
	now := cfg.Now
	if now == nil {
		now = time.Now
	}
	answers, err := serve.Listen(ctx, nc, serve.Config{
		Tree: tree, Follow: cfg.Follow, Now: now, Sweep: sweep.Config{Proof: cfg.Proof},
	}, meter.New(kit.Registry), kit.Log)
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
// that its logs hold.
func (s *Server) Ready(ctx context.Context) error { return s.answers.Ready(ctx) }

// Missing says which of the streams and buckets that Listen waits for is not
// there, as store.Missing does.
func Missing(ctx context.Context, cfg Config, nc *nats.Conn) error {
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return fmt.Errorf("presence: read prefix: %w", err)
	}
	return store.Missing(ctx, nc, tree, needed()...)
}

// needed is what it follows and writes.
func needed() []string {
	return []string{subject.Gateways, subject.Here, subject.Tellings, subject.Clients}
}
