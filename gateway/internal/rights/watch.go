package rights

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says how long rights may be in doubt. The zero Config is ready.
type Config struct {
	Gather  time.Duration // changes that come so close together are asked about at once; 0 means 5ms
	Bound   time.Duration // events go on for at most so long after a change that is not worked out; 0 means 1s
	Unheard time.Duration // and for so long after the ends of the buckets were last seen; 0 means 15s
	Check   time.Duration // between two looks at these ends; 0 means 5s
	Wait    time.Duration // how long a silent authz is asked again, once for whom a change touched and once for members; 0 means 5s
	Pause   time.Duration // after an answer that is none; 0 means 100ms
	Follow  follow.Config // times and sizes; what is followed is set by Listen
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p   *time.Duration
		def time.Duration
	}{
		{&c.Gather, 5 * time.Millisecond},
		{&c.Bound, time.Second},
		{&c.Unheard, 15 * time.Second}, // longer than a stream is without anyone who answers for it
		{&c.Check, 5 * time.Second},
		{&c.Wait, 5 * time.Second},
		{&c.Pause, 100 * time.Millisecond},
	} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	return c
}

// Members is the connections of this gateway. Its methods must not block and
// must be safe for concurrent use.
type Members interface {
	// Touched has everyone whom a change may concern ask anew what they may
	// (Desk.Again), and calls done once when each has done what follows. A
	// question of theirs that is under way is put once more.
	Touched(c Change, done func())
	// Revoked ends the connections whose token is void now, of those that can
	// be revoked under the key.
	Revoked(key string)
}

// Watch follows what rights are made of. Use Gate, Desk and Revoked from New
// on; they are kept true while Serve runs.
type Watch struct {
	Gate    *Gate
	Desk    *Desk
	Revoked *Revoked

	cfg     Config
	nc      *nats.Conn
	tree    subject.Tree
	asks    *ask.Asker
	log     *slog.Logger
	members Members

	policy, relations *bucket
	mirror            *kv.Mirror[float64]

	wake chan struct{} // holds one when something was heard

	// Only of the goroutine of Serve:
	known   wire.Marks // up to where changes are worked out
	follows bool       // authz says whom changes touch

	mu    sync.Mutex // guards what is below
	heard wire.Marks
	since change // of the gate, begun by what was heard after known; 0: nothing was
	anew  bool   // sequences begin anew: nobody can be asked what changed
}

// bucket is one that is followed, for its sequences alone.
type bucket struct {
	w        *Watch
	of       func(*wire.Marks) *uint64
	follower *follow.Follower
	reader   *follow.Reader
}

// New returns a watch that has not begun: its gate is shut.
func New(cfg Config, nc *nats.Conn, asks *ask.Asker, tree subject.Tree, m *meter.Meter, log *slog.Logger) *Watch {
	cfg = cfg.withDefaults()
	w := &Watch{Gate: NewGate(nc), Revoked: &Revoked{}, cfg: cfg, nc: nc, tree: tree, asks: asks, log: log, wake: make(chan struct{}, 1)}
	w.Desk = NewDesk(cfg, asks, w.Gate, m)
	return w
}

// Listen returns when every change from now on will be heard, and all
// revocations until now are known.
func (w *Watch) Listen(ctx context.Context, members Members) (err error) {
	w.members = members
	reconnects, now := w.nc.Stats().Reconnects, time.Now()
	if w.policy, err = w.follow(ctx, subject.Policy, "*", func(m *wire.Marks) *uint64 { return &m.Policy }); err != nil {
		return err
	}
	if w.relations, err = w.follow(ctx, subject.Relations, ">", func(m *wire.Marks) *uint64 { return &m.Relations }); err != nil {
		return err
	}
	w.mirror, err = kv.Listen(ctx, w.nc, kv.MirrorConfig[float64]{
		Tree: w.tree, Bucket: subject.Revoked, Keys: "*.*", Read: readTime, Follow: w.cfg.Follow,
		Changed: func(c kv.Change[float64]) {
			if c.Has {
				members.Revoked(c.Key)
			}
		},
	}, w.log)
	if err != nil {
		return fmt.Errorf("rights: %w", err)
	}
	w.Revoked.mirror.Store(w.mirror)
	w.Desk.note(Change{}, w.known, false)
	w.Gate.prove(reconnects, now.Add(w.cfg.Unheard))
	return nil
}

func (w *Watch) follow(ctx context.Context, name, keys string, of func(*wire.Marks) *uint64) (*bucket, error) {
	cfg := w.cfg.Follow
	cfg.Stream, cfg.Heard, cfg.FromStart = w.tree.BucketStream(name), w.tree.Heard(name, keys), false
	b := &bucket{w: w, of: of, reader: follow.NewReader(w.nc, cfg)}
	f, err := follow.Listen(ctx, w.nc, cfg, b, w.log)
	if err != nil {
		return nil, fmt.Errorf("rights: %w", err)
	}
	b.follower = f
	_, end := f.Position()
	w.mu.Lock()
	defer w.mu.Unlock()
	*of(&w.heard), *of(&w.known) = end, end
	return b, nil
}

// Serve works out changes until ctx ends.
func (w *Watch) Serve(ctx context.Context) error {
	return life.Run(ctx, w.policy.follower, w.relations.follower, w.mirror, w.Desk, life.Func(w.work))
}

// Entry notes how far the bucket goes. What it says is authz's matter.
func (b *bucket) Entry(e follow.Entry) { b.w.hear(b.of, e.Seq) }

// Gone notes the same of what can no longer be read.
func (b *bucket) Gone(_, to uint64) { b.w.hear(b.of, to) }

// Page has nothing to wait for.
func (b *bucket) Page(context.Context) {}

// Reset goes on with another log, or further on.
func (b *bucket) Reset(_ string, last uint64, why follow.Why) {
	if why == follow.Behind {
		b.w.hear(b.of, last)
		return
	}
	b.w.mu.Lock()
	*b.of(&b.w.heard) = last
	b.w.anew = true
	b.w.begin()
	b.w.mu.Unlock()
	b.w.rouse()
}

// hear notes that a bucket goes on to a sequence.
func (w *Watch) hear(of func(*wire.Marks) *uint64, seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := of(&w.heard); seq > *at {
		*at = seq
		w.begin()
		w.rouse()
	}
}

// begin begins to count the time that a change may take. It is called under
// the lock.
func (w *Watch) begin() {
	if w.since == 0 {
		w.since = w.Gate.begin(time.Now().Add(w.cfg.Bound))
	}
}

func (w *Watch) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
