package kv

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// MirrorConfig says which bucket is mirrored, and what its values are. Bucket
// and Read must be set.
type MirrorConfig[V any] struct {
	Tree   subject.Tree
	Bucket string // subject.Gateways, …
	Keys   string // shape of its keys, as a subject: "*", "*.*", ">"; empty means "*"

	// Read reads a value. A key whose value it refuses counts as absent, and is
	// logged: so every mirror of the bucket holds the same, also one that begins
	// later.
	Read func(value []byte) (V, error)

	// Changed is told every change of a key in the order of the bucket, from
	// one goroutine at a time, that of Listen or Serve. Several records of a key
	// may be one change. It must not block; nil means nobody is told.
	Changed func(Change[V])

	Follow follow.Config // times and sizes; Stream, Heard and FromStart are set by Listen
}

// Change is what became of a key.
type Change[V any] struct {
	Key   string
	Was   V // the zero V where the key was absent
	Is    V // the zero V where the key is absent now
	Had   bool
	Has   bool
	Cause Cause
}

// Cause is why a key changed.
type Cause string

// The causes.
const (
	Written Cause = "written"
	Deleted Cause = "deleted" // by somebody; also: to a value that cannot be read
	Expired Cause = "expired" // by the server: its time was up
	Reset   Cause = "reset"   // the bucket is another one, or is read anew: what it holds is told next
)

// Mirror is a bucket as a map in memory. Its methods are safe for concurrent
// use.
type Mirror[V any] struct {
	cfg      MirrorConfig[V]
	prefix   string // of a key's subject
	log      *slog.Logger
	follower *follow.Follower

	mu     sync.RWMutex // guards what is below; never held over a call of Changed
	values map[string]V
	anew   bool   // a reading anew has begun, and its end was not seen yet
	at     uint64 // the last sequence that was handed over; 0 when a reading anew begins
}

// Listen returns when the mirror holds all that the bucket held when Listen
// was called. It is kept up to date by Serve.
func Listen[V any](ctx context.Context, nc *nats.Conn, cfg MirrorConfig[V], log *slog.Logger) (*Mirror[V], error) {
	if cfg.Keys == "" {
		cfg.Keys = "*"
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Change[V]) {}
	}
	cfg.Follow.Stream = cfg.Tree.BucketStream(cfg.Bucket)
	cfg.Follow.Heard = cfg.Tree.Heard(cfg.Bucket, cfg.Keys)
	cfg.Follow.FromStart = true
	m := &Mirror[V]{
		cfg: cfg, prefix: cfg.Tree.Key(cfg.Bucket, ""), values: map[string]V{},
		log: log.With(obs.Bucket, cfg.Tree.Bucket(cfg.Bucket)),
	}
	f, err := follow.Listen(ctx, nc, cfg.Follow, handler[V]{m}, log)
	if err != nil {
		return nil, fmt.Errorf("kv: mirror %s: %w", cfg.Tree.Bucket(cfg.Bucket), err)
	}
	m.follower = f
	return m, nil
}

// Serve keeps the mirror up to date until ctx ends.
func (m *Mirror[V]) Serve(ctx context.Context) error { return m.follower.Serve(ctx) }

// Whole reports whether the mirror holds all of the bucket. It does not for a
// moment after the bucket was made anew, or after so long a cut from NATS that
// the bucket is read anew.
func (m *Mirror[V]) Whole() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.anew {
		// The follower's position goes back just after it told of the Reset:
		// until then it is ahead of at, and the lag is the one before.
		_, w := m.follower.Position()
		m.anew = w > m.at || m.follower.Stats().Lag > 0
	}
	return !m.anew
}

// Value returns what stands under a key.
func (m *Mirror[V]) Value(key string) (v V, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok = m.values[key]
	return v, ok
}

// All returns a copy of the whole map.
func (m *Mirror[V]) All() map[string]V {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.values)
}

// Stats is what the follower below has counted.
func (m *Mirror[V]) Stats() follow.Stats { return m.follower.Stats() }

// handler keeps the methods that follow calls out of Mirror's.
type handler[V any] struct{ m *Mirror[V] }

func (h handler[V]) Entry(e follow.Entry) {
	h.m.reached(e.Seq)
	key, ok := strings.CutPrefix(e.Subject, h.m.prefix)
	if !ok {
		h.m.log.Warn("kv: not a key of the bucket", obs.Subject, e.Subject)
		return
	}
	switch {
	case natsconn.Header(e.Header).Last(reason) != "":
		h.m.drop(key, Expired)
	case Gone(e.Header):
		h.m.drop(key, Deleted)
	default:
		v, err := h.m.cfg.Read(e.Data)
		if err != nil {
			h.m.log.Warn("kv: value cannot be read", obs.Key, key, obs.Err, err)
			h.m.drop(key, Deleted)
			return
		}
		h.m.put(key, v)
	}
}

// Gone changes no value: what can no longer be read of a bucket was written
// over by what can.
func (h handler[V]) Gone(_, to uint64) { h.m.reached(to) }

func (h handler[V]) Reset(_ string, _ uint64, why follow.Why) {
	h.m.log.Warn("kv: bucket is read anew", "why", string(why))
	h.m.mu.Lock()
	h.m.anew, h.m.at = true, 0
	h.m.mu.Unlock()
	for key := range h.m.All() {
		h.m.drop(key, Reset)
	}
}

func (h handler[V]) Page(context.Context) {}

func (m *Mirror[V]) reached(seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = seq
}

func (m *Mirror[V]) put(key string, v V) {
	m.mu.Lock()
	was, had := m.values[key]
	m.values[key] = v
	m.mu.Unlock()
	m.cfg.Changed(Change[V]{Key: key, Was: was, Is: v, Had: had, Has: true, Cause: Written})
}

func (m *Mirror[V]) drop(key string, cause Cause) {
	m.mu.Lock()
	was, had := m.values[key]
	delete(m.values, key)
	m.mu.Unlock()
	if had {
		m.cfg.Changed(Change[V]{Key: key, Was: was, Had: true, Cause: cause})
	}
}
