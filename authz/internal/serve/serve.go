// Package serve answers on NATS: who a client is, what users may do in rooms,
// whom a change concerns, and why somebody may do something or not.
//
// It decides nothing: token judges tokens, book knows what rights are made of.
// It keeps nothing between two questions, so any replica answers any of them;
// an answer that must not be out of a past waits until its replica has read far
// enough.
//
//	connect   token → user, claims, end          connect.go
//	join      user, claims, rooms → rights       rooms.go
//	joins     the same for many at once          rooms.go
//	touched   marks → whom changes concern       changes.go
//	explain   user, claims, room → what decided  changes.go
//
// Read this file first.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/book"
	"github.com/hubmesh/hubmesh/authz/internal/jwks"
	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// answerWait bounds one answer. It is computed in microseconds.
const answerWait = 5 * time.Second

// Config is what answers are made with. All fields but Published must be set.
type Config struct {
	Tree   subject.Tree
	Tokens *token.Verifier
	Book   *book.Book
	Now    func() time.Time

	Published *jwks.Set // the issuer's keys; nil: none are published

	// Behind bounds how long a question waits for this replica to read what the
	// answer must be made of. Its asker has a bound of its own, and asks another.
	Behind time.Duration
}

// Answers is one replica that answers.
type Answers struct {
	cfg   Config
	nc    *nats.Conn
	svc   *natsconn.Answerer
	meter *meter.Meter
	log   *slog.Logger
}

// Listen returns when NATS sends questions here.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Answers, error) {
	svc, err := natsconn.Service(nc, subject.Authz, "who may connect, and what users may do in rooms", log)
	if err != nil {
		return nil, err
	}
	a := &Answers{cfg: cfg, nc: nc, svc: svc, meter: m, log: log}
	at := func(endpoint string) string { return cfg.Tree.Svc(subject.Authz, endpoint) }
	err = errors.Join(
		natsconn.Answer(ctx, svc, "connect", at("connect"), answerWait, a.connect),
		natsconn.Answer(ctx, svc, "join", at("join"), answerWait, a.join),
		natsconn.Answer(ctx, svc, "joins", at("joins"), answerWait, a.joins),
		natsconn.Answer(ctx, svc, "touched", at("touched"), answerWait, a.touched),
		natsconn.Answer(ctx, svc, "explain", at("explain"), answerWait, a.explain),
	)
	if err == nil {
		err = natsconn.Flush(ctx, nc)
	}
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return a, nil
}

// Ready returns nil when NATS carries what we say, the book is whole, and the
// issuer's keys are read where there are some.
func (a *Answers) Ready(ctx context.Context) error {
	if err := natsconn.Flush(ctx, a.nc); err != nil {
		return err
	}
	if err := a.cfg.Book.Whole(); err != nil {
		return err
	}
	if a.cfg.Published != nil {
		return a.cfg.Published.Ready()
	}
	return nil
}

// Serve keeps the book, and the keys, and answers until ctx ends. The book is kept until the
// last question is answered.
func (a *Answers) Serve(ctx context.Context) error {
	answer := func(kept context.Context) error {
		select {
		case <-ctx.Done():
		case <-kept.Done():
		}
		return a.svc.Stop()
	}
	servers := []life.Server{life.Func(answer), a.cfg.Book}
	if a.cfg.Published != nil {
		servers = append(servers, a.cfg.Published)
	}
	return life.Run(context.WithoutCancel(ctx), servers...)
}

// unavailable is what an asker hears of an error of the book.
func unavailable(err error) error {
	if errors.Is(err, book.ErrAnew) || errors.Is(err, book.ErrBehind) {
		return &natsconn.Fault{Code: wire.Unavailable, Text: "authz is not up to date: ask again"}
	}
	return err
}

// await waits until the book is made of at least so much.
func (a *Answers) await(ctx context.Context, least wire.Marks) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Behind)
	defer cancel()
	return unavailable(a.cfg.Book.Await(ctx, least))
}
