// Package serve answers gateways that ask for tokens, out of buckets that lie
// in a KV bucket in memory.
//
// It computes no tokens itself (see bucket), and keeps nothing between two
// questions, so any replica answers any of them and none owns a bucket: a
// record is changed by compare-and-set, and who loses looks again.
//
//	serve.go   a question comes, is checked, and is answered
//	crowd.go   questions for one bucket that come together are one write
//	vault.go   one record: read, taken from, written
package serve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/ratelimit/internal/bucket"
	"github.com/hubmesh/hubmesh/ratelimit/internal/meter"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// answerWait bounds one answer. A gateway that hears none lets messages pass,
// and a grant that comes later is lost to it.
const answerWait = 2 * time.Second

// Config is what answers are made with. All fields must be set.
type Config struct {
	Tree   subject.Tree
	Store  store.Config
	Limits map[string]limit.Limit // by name; others are refused
	Now    func() time.Time
}

// Answers is one replica that answers.
type Answers struct {
	cfg    Config
	nc     *nats.Conn
	svc    *natsconn.Answerer
	vault  *vault
	crowds crowds
	meter  *meter.Meter
	log    *slog.Logger
	lost   chan struct{} // one slot: the bucket is not there, and must be made
}

// Listen returns when NATS sends questions here.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Answers, error) {
	v, err := newVault(nc, cfg.Tree, cfg.Now, m)
	if err != nil {
		return nil, err
	}
	svc, err := natsconn.Service(nc, subject.Ratelimit, "how much users may send, over all gateways", log)
	if err != nil {
		return nil, err
	}
	a := &Answers{cfg: cfg, nc: nc, svc: svc, vault: v, meter: m, log: log, lost: make(chan struct{}, 1)}
	a.crowds.waiting = map[bucket.Key][]*waiter{}
	err = natsconn.Answer(ctx, svc, "take", cfg.Tree.Svc(subject.Ratelimit, "take"), answerWait, a.take)
	if err == nil {
		err = natsconn.Flush(ctx, a.nc)
	}
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return a, nil
}

// Ready returns nil when NATS carries what we say, and the bucket is there.
func (a *Answers) Ready(ctx context.Context) error {
	return store.Missing(ctx, a.nc, a.cfg.Tree, subject.Quota)
}

// Serve answers until ctx ends and the questions under way are answered.
func (a *Answers) Serve(ctx context.Context) error {
	for {
		select {
		case <-a.lost:
			// A single server forgets what is in memory when it restarts. An
			// error of Await is the end of ctx, and asked for again if not.
			if err := store.Await(ctx, a.nc, a.cfg.Tree, a.cfg.Store, a.log, subject.Quota); err != nil && ctx.Err() == nil {
				a.log.Warn("ratelimit: bucket not made", obs.Err, err)
			}
		case <-ctx.Done():
			return a.svc.Stop()
		}
	}
}

func (a *Answers) take(ctx context.Context, ask wire.TakeAsk) (wire.TakeAnswer, error) {
	key, l, err := a.check(ask)
	if err != nil {
		a.meter.Take(meter.Invalid)
		return wire.TakeAnswer{}, err
	}
	grant, err := a.crowds.take(key, bucket.Ask{Cost: ask.Cost, Want: min(ask.Want, l.Burst)},
		func(asks []bucket.Ask) ([]bucket.Grant, error) { return a.vault.spend(ctx, key, l, asks) })
	if err != nil {
		a.meter.Take(meter.Unavailable)
		return wire.TakeAnswer{}, a.failed(err)
	}
	if grant.Granted == 0 {
		a.meter.Take(meter.Over)
		return wire.TakeAnswer{RetryAfterMs: ceilMs(grant.Retry)}, nil
	}
	a.meter.Take(meter.Granted)
	return wire.TakeAnswer{Granted: grant.Granted}, nil
}

// ceilMs rounds up: who comes back then is not too early.
func ceilMs(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// check says whether ask is one, of a limit that gateways share.
func (a *Answers) check(ask wire.TakeAsk) (bucket.Key, limit.Limit, error) {
	key, err := bucket.ParseKey(ask.Key)
	if err != nil {
		return key, limit.Limit{}, &natsconn.Fault{Code: wire.Invalid, Text: "key is none: want <limit>/<owner>, the owner escaped"}
	}
	l, ok := a.cfg.Limits[key.Limit]
	if !ok {
		return key, limit.Limit{}, &natsconn.Fault{Code: wire.Invalid, Text: "no limit of that name is shared"}
	}
	if ask.Cost < 1 || ask.Want < 0 {
		return key, limit.Limit{}, &natsconn.Fault{Code: wire.Invalid, Text: "want a cost of 1 or more, and a want of 0 or more"}
	}
	return key, l, nil
}

// failed words why a bucket could not be taken from. Gateways go on without
// us, so a person looks only if it lasts: it is counted, and told as a fault.
func (a *Answers) failed(err error) error {
	if errors.Is(err, errLost) {
		select {
		case a.lost <- struct{}{}:
		default: // it is being made
		}
	}
	a.log.Debug("ratelimit: take", obs.Err, err)
	return &natsconn.Fault{Code: wire.Unavailable, Text: "the bucket cannot be reached"}
}
