// Package sweep ends the connections of gateways that are dead, and of no
// others.
//
// A gateway is dead when its lease has ended and was not written again though
// it could have been: NATS must have taken writes for Config.Proof since. So a
// bus that was away for longer than a lease ends no living gateway, and a
// gateway that NATS cannot reach is as good as dead. No clock is compared with
// another's.
//
// Each replica sweeps; that a connection ends once is desk's matter.
package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/desk"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config is times. Zero means the default of each.
type Config struct {
	Proof time.Duration // how long NATS must have taken writes since a lease has ended; 0 means 3s
	Look  time.Duration // between two looks; 0 means 250ms
}

// Sweeper is one replica's.
type Sweeper struct {
	cfg    Config
	tree   subject.Tree
	id     string
	desk   *desk.Desk
	leases *kv.Mirror[wire.Lease]
	log    *slog.Logger

	since map[string]time.Time // by gateway without a lease: from when on NATS took every write
}

// New returns a sweeper that does nothing before Serve. id is the replica's.
func New(cfg Config, tree subject.Tree, id string, d *desk.Desk, leases *kv.Mirror[wire.Lease], log *slog.Logger) *Sweeper {
	if cfg.Proof == 0 {
		cfg.Proof = 3 * time.Second
	}
	if cfg.Look == 0 {
		cfg.Look = 250 * time.Millisecond
	}
	return &Sweeper{cfg: cfg, tree: tree, id: id, desk: d, leases: leases, log: log, since: map[string]time.Time{}}
}

// Serve looks for dead gateways until ctx ends.
func (s *Sweeper) Serve(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.look(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Sweeper) look(ctx context.Context) {
	suspects, ok := s.suspects()
	if !ok {
		clear(s.since)
		return
	}
	for id := range s.since {
		if !suspects[id] {
			delete(s.since, id)
		}
	}
	if len(suspects) == 0 {
		return
	}
	begun := time.Now()
	if !s.proven(ctx, suspects) {
		clear(s.since)
		return
	}
	for id := range suspects {
		if s.since[id].IsZero() {
			s.since[id] = begun
		}
		if time.Since(s.since[id]) >= s.cfg.Proof {
			s.sweep(ctx, id)
		}
	}
}

// suspects is the gateways that have connections and no lease.
func (s *Sweeper) suspects() (ids map[string]bool, ok bool) {
	all, whole := s.desk.Gateways()
	if !whole || !s.leases.Whole() {
		return nil, false
	}
	ids = map[string]bool{}
	for _, id := range all {
		if _, alive := s.leases.Value(id); !alive {
			ids[id] = true
		}
	}
	return ids, true
}

// proven reports whether NATS takes writes now, and takes those of suspects
// out whose lease is there. The bucket of leases is another one than that of
// presence, and may have lost its leader alone: that one must answer too.
func (s *Sweeper) proven(ctx context.Context, suspects map[string]bool) bool {
	if err := s.desk.Prove(ctx, s.id); err != nil {
		return false
	}
	for id := range suspects {
		lease, err := s.desk.Newest(ctx, s.tree.BucketStream(subject.Gateways), s.tree.Key(subject.Gateways, id))
		if err != nil {
			return false
		}
		if !lease.Free() {
			delete(suspects, id)
			delete(s.since, id)
		}
	}
	return true
}

func (s *Sweeper) sweep(ctx context.Context, id string) {
	ended, err := s.desk.Sweep(ctx, id)
	if err != nil {
		s.log.Debug("presence: sweep again", obs.Gateway, id, obs.Err, err)
	}
	if ended > 0 {
		s.log.Warn("presence: connections of a dead gateway ended", obs.Gateway, id, "count", ended)
	}
}
