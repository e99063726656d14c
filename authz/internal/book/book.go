// Package book is all that rights are made of, in memory and up to date: the
// policy, the relations and the revocations, each followed from its bucket.
//
// It decides by them (policy and relation do), and says whom a change concerns
// (ledger remembers). It answers nobody on NATS (serve does) and judges no
// token. Every replica reads the same buckets, so all come to the same answers;
// who must not be answered out of a past says how far a replica must have read.
//
//	HUB_POLICY     type of rooms → its rules       policies.go
//	HUB_RELATIONS  a fact a key                    relations.go
//	HUB_REVOKED    user or token → until when      revoked.go
//
// Read this file first (what can be asked), then source.go (how a bucket is
// read, and when it is not known whom changes concern), and seed.go.
package book

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/ledger"
	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says what is read.
type Config struct {
	Tree   subject.Tree
	Seeds  map[string][]byte // rules by type of rooms, written where the bucket has none
	Follow follow.Config     // times and sizes
}

// Book is the three buckets. Its methods are safe for concurrent use.
type Book struct {
	tree    subject.Tree
	log     *slog.Logger
	meter   *meter.Meter
	revoked *kv.Mirror[float64]

	policies, relations *source

	mu    sync.RWMutex // guards what is below, and the marks and ledgers of the sources
	rules policy.Policy
	graph relation.Graph
	moved chan struct{} // closed when a source has moved on; nil: nobody waits
}

// Listen returns when the book holds all that the buckets held when Listen was
// called, and what Seeds adds to them. It is kept up to date by Serve.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Book, error) {
	if err := seed(ctx, nc, cfg, log); err != nil {
		return nil, err
	}
	b := &Book{tree: cfg.Tree, log: log, meter: m, rules: policy.Policy{}}
	b.policies = newSource(b, subject.Policy, policies{b})
	b.relations = newSource(b, subject.Relations, &relations{book: b})
	for _, s := range b.sources() {
		if err := s.listen(ctx, nc, cfg.Follow); err != nil {
			return nil, err
		}
	}
	var err error
	if b.revoked, err = kv.Listen(ctx, nc, kv.MirrorConfig[float64]{
		Tree: cfg.Tree, Bucket: subject.Revoked, Keys: "*.*", Follow: cfg.Follow, Read: b.readRevocation,
	}, log); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Book) sources() []*source { return []*source{b.policies, b.relations} }

// Serve keeps the book up to date until ctx ends.
func (b *Book) Serve(ctx context.Context) error {
	err := life.Run(ctx, b.policies, b.relations, b.revoked)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meter.Relations.Sub(float64(b.graph.Len())) // others may share the gauge
	return err
}

// Errors of questions that cannot be answered now.
var (
	ErrAnew   = errors.New("book: policy, relations or revocations are read anew")
	ErrBehind = errors.New("book: it has not read so far yet")
)

// Whole returns ErrAnew while the book does not hold all: for a moment after a
// bucket was made anew, or after so long a cut from NATS that it is read anew.
func (b *Book) Whole() error {
	if !b.revoked.Whole() {
		return ErrAnew
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.whole()
}

func (b *Book) whole() error {
	if b.policies.anew || b.relations.anew {
		return ErrAnew
	}
	return nil
}

// Await returns when the book is made of at least so much, and ErrBehind when
// ctx ends before.
func (b *Book) Await(ctx context.Context, least wire.Marks) error {
	return b.until(ctx, func() bool {
		at := b.marks()
		return at.Policy >= least.Policy && at.Relations >= least.Relations
	})
}

// until returns when reached does; reached is called with mu held.
func (b *Book) until(ctx context.Context, reached func() bool) error {
	for {
		b.mu.Lock()
		if reached() {
			b.mu.Unlock()
			return nil
		}
		if b.moved == nil {
			b.moved = make(chan struct{})
		}
		moved := b.moved
		b.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ErrBehind
		}
	}
}

// move wakes who waits. It is called with mu held.
func (b *Book) move() {
	if b.moved != nil {
		close(b.moved)
		b.moved = nil
	}
}

func (b *Book) marks() wire.Marks {
	return wire.Marks{Policy: b.policies.at, Relations: b.relations.at}
}

// Decide says what a user may do in rooms, all at one moment, or returns
// ErrAnew.
func (b *Book) Decide(user string, claims policy.Claims, rooms []subject.Room) ([]policy.Decision, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.whole(); err != nil {
		return nil, err
	}
	decisions := make([]policy.Decision, len(rooms))
	for i, room := range rooms {
		decisions[i] = b.rules.Decide(b.ask(user, claims, room))
	}
	return decisions, nil
}

func (b *Book) ask(user string, claims policy.Claims, room subject.Room) policy.Ask {
	return policy.Ask{
		User: user, Claims: claims, Room: room,
		Member: func() bool { return b.graph.Member(user, room) },
	}
}

// Explain says what a user may do in a room, and what decided about each right.
func (b *Book) Explain(user string, claims policy.Claims, room subject.Room) (policy.Decision, map[wire.Right]wire.ExplainWhy, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.whole(); err != nil {
		return policy.Decision{}, nil, err
	}
	a := b.ask(user, claims, room)
	chain := b.graph.Chain(user, room)
	all := map[wire.Right]wire.ExplainWhy{}
	for right, why := range b.rules.Explain(a) {
		w := why.ExplainWhy
		if w.From != policy.BuiltIn {
			w.From = b.tree.Bucket(subject.Policy) + " " + w.From
		}
		if why.Asks {
			w.Chain = chain
		}
		all[right] = w
	}
	return b.rules.Decide(a), all, nil
}

// Touched says whom the changes after some marks may concern, as far as the
// book has read.
func (b *Book) Touched(after wire.Marks) wire.TouchedAnswer {
	b.mu.RLock()
	answer := wire.TouchedAnswer{At: b.marks()}
	rules, first := b.policies.since(after.Policy)
	facts, second := b.relations.since(after.Relations)
	known := first && second && b.whole() == nil
	b.mu.RUnlock()
	if known {
		answer.Touched, known = ledger.Merge(append(rules, facts...))
	}
	if !known {
		answer.All, answer.Touched = true, nil
	}
	return answer
}

// Revoked reports whether a token of the user holds no longer. jti is the
// token's own id, if it has one; issued is zero where it does not say.
func (b *Book) Revoked(user, jti string, issued time.Time) bool {
	if b.revokes("user."+subject.Escape(user), issued) {
		return true
	}
	return jti != "" && b.revokes("jti."+subject.Escape(jti), issued)
}

func (b *Book) revokes(key string, issued time.Time) bool {
	before, ok := b.revoked.Value(key)
	return ok && (issued.IsZero() || float64(issued.UnixMicro())/1e6 < before)
}

// place is how messages call a key of a bucket.
func (b *Book) place(bucket, key string) string {
	return fmt.Sprintf("%s %s", b.tree.Bucket(bucket), key)
}
