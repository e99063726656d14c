package kv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// LeaseConfig says which key is held, and how. Bucket, Key and Value must be
// set. The defaults of the times fit together: a leader of the bucket that is
// killed stops writes for up to 8 s, which must end no living holder.
type LeaseConfig struct {
	Tree   subject.Tree
	Bucket string // subject.Gateways, …
	Key    string

	// Value is what is written at each renewal. It is called by Claim and Serve
	// and must not block.
	Value func() []byte

	// Lost is called by Serve when the lease had ended, as after a long cut from
	// NATS, and is written anew: others have seen its holder end. It must not
	// block; nil means nobody is told.
	Lost func()

	TTL    time.Duration // how long the key outlives its last renewal, in whole seconds; 0 means 13s
	Renew  time.Duration // between renewals; 0 means 2.5s
	Retry  time.Duration // pause after a renewal that failed; 0 means 100ms
	Wait   time.Duration // bound of one answer of NATS; 0 means 500ms
	Watch  time.Duration // Claim looks so long whether another renews the key; 0 means 3s, negative means not at all
	Marker time.Duration // how long it can be read that the holder left, in whole seconds; 0 means 1m
}

func (c LeaseConfig) defaults() (LeaseConfig, error) {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&c.TTL, 13 * time.Second},
		{&c.Renew, 2500 * time.Millisecond},
		{&c.Retry, 100 * time.Millisecond},
		{&c.Wait, 500 * time.Millisecond},
		{&c.Watch, 3 * time.Second},
		{&c.Marker, time.Minute},
	} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	if c.TTL%time.Second != 0 || c.Marker%time.Second != 0 {
		return c, fmt.Errorf("kv: lease of %s: TTL %v and Marker %v must be whole seconds", c.Key, c.TTL, c.Marker)
	}
	return c, nil
}

// ErrHeld is why Claim refuses: another renews the key.
var ErrHeld = errors.New("it is held by another, who renews it")

// ErrTaken is why Serve ends before its ctx: another holds the key. It can take
// it only from a holder that was away for longer than its own LeaseConfig.Watch,
// such as a process that was stopped and goes on.
var ErrTaken = errors.New("another has taken it")

// holder is the header that tells a holder's own records from those of another
// under the same key, or of itself before a restart.
const holder = "Hub-Holder"

func holderOf(r Record) string { return natsconn.Header(r.Header).Last(holder) }

// Lease is one key that its holder keeps alive. Its methods are called one
// after the other: Serve, and when that has returned, Leave.
type Lease struct {
	js     jetstream.JetStream
	cfg    LeaseConfig
	stream string
	subj   string
	holder string
	state  state

	seq uint64 // of our newest record, as far as we know
}

// Claim writes the key for the first time and returns its lease, which must be
// served at once. A value that is there already is watched for
// LeaseConfig.Watch: if it is renewed, Claim refuses with an error that wraps
// ErrHeld; if not, its holder is dead and the key is taken. While NATS does not
// answer Claim waits, until ctx ends. Of several who claim a free key at once,
// one gets it.
func Claim(ctx context.Context, nc *nats.Conn, cfg LeaseConfig, log *slog.Logger) (*Lease, error) {
	cfg, err := cfg.defaults()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("kv: claim %s: %w", cfg.Key, err)
	}
	l := &Lease{
		js: js, cfg: cfg,
		stream: cfg.Tree.BucketStream(cfg.Bucket), subj: cfg.Tree.Key(cfg.Bucket, cfg.Key),
		holder: rand.Text(),
		state:  state{log: log.With(obs.Bucket, cfg.Tree.Bucket(cfg.Bucket), obs.Key, cfg.Key)},
	}
	for {
		was, err := l.unrenewed(ctx)
		if err != nil {
			return nil, fmt.Errorf("kv: claim %s: %w", l.subj, err)
		}
		if err = l.write(ctx, was.Seq); err == nil {
			return l, nil
		}
		// Whoever wrote first is looked at; so is what we may have written
		// ourselves, when only the answer was lost.
		if !Raced(err) {
			l.state.failed(ctx, err)
		}
		if !pause(ctx, cfg.Retry) {
			return nil, fmt.Errorf("kv: claim %s: %w", l.subj, ctx.Err())
		}
	}
}

// unrenewed returns the newest record once it is known that no other renews
// it. Time in which NATS does not answer proves nothing, as the holder cannot
// write then either.
func (l *Lease) unrenewed(ctx context.Context) (Record, error) {
	const looks = 10 // a watch
	var first Record
	var since time.Time // of the first look in an unbroken row; zero: none yet
	for {
		now, err := l.newest(ctx)
		switch {
		case err != nil:
			since = time.Time{}
			l.state.failed(ctx, err)
		case now.Free() || holderOf(now) == l.holder || l.cfg.Watch < 0:
			return now, nil
		case first.Seq != 0 && now.Seq != first.Seq:
			return Record{}, ErrHeld
		case since.IsZero():
			first, since = now, time.Now()
		case time.Since(since) >= l.cfg.Watch:
			return now, nil
		}
		if !pause(ctx, max(l.cfg.Watch/looks, time.Millisecond)) {
			return Record{}, ctx.Err()
		}
	}
}

// Serve renews the lease until ctx ends; the key then outlives it by what is
// left of its time, unless Leave follows. It ends before with an error that
// wraps ErrTaken when another holds the key.
func (l *Lease) Serve(ctx context.Context) error {
	for wait := l.cfg.Renew; pause(ctx, wait); {
		err := l.renew(ctx)
		switch {
		case err == nil:
			wait = l.cfg.Renew
			l.state.worked()
		case errors.Is(err, ErrTaken):
			return fmt.Errorf("kv: renew %s: %w", l.subj, err)
		default:
			wait = l.cfg.Retry
			l.state.failed(ctx, err)
		}
	}
	return nil
}

// renew writes the record after ours. If another is there, ours has ended, was
// taken, or has a successor of our own whose answer was lost.
func (l *Lease) renew(ctx context.Context) error {
	err := l.write(ctx, l.seq)
	if !Raced(err) {
		return err
	}
	now, err := l.newest(ctx)
	if err != nil {
		return err
	}
	if !now.Free() && holderOf(now) != l.holder {
		return ErrTaken
	}
	if err := l.write(ctx, now.Seq); err != nil {
		return err
	}
	if now.Free() {
		l.state.log.Warn("kv: lease had ended and is written anew")
		if l.cfg.Lost != nil {
			l.cfg.Lost()
		}
	}
	return nil
}

// Leave deletes the key, if it is still this lease's, so that others need not
// wait for its end. It tries until ctx ends.
func (l *Lease) Leave(ctx context.Context) error {
	for {
		err := l.purge(ctx, l.seq)
		if Raced(err) {
			var now Record
			if now, err = l.newest(ctx); err == nil {
				if now.Free() || holderOf(now) != l.holder {
					return nil
				}
				l.seq = now.Seq
				continue
			}
		}
		if err == nil {
			return nil
		}
		if !pause(ctx, l.cfg.Retry) {
			return fmt.Errorf("kv: leave %s: %w", l.subj, err)
		}
	}
}

// write puts a new record after the one that has sequence after.
func (l *Lease) write(ctx context.Context, after uint64) error {
	m := nats.NewMsg(l.subj)
	m.Data = l.cfg.Value()
	m.Header.Set(holder, l.holder)
	seq, err := l.publish(ctx, m, after, l.cfg.TTL)
	if err == nil {
		l.seq = seq
	}
	return err
}

// purge puts a record that deletes the key, and goes after Marker itself. A
// plain delete would stay for ever.
func (l *Lease) purge(ctx context.Context, after uint64) error {
	m := nats.NewMsg(l.subj)
	m.Header.Set(operation, "PURGE")
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	_, err := l.publish(ctx, m, after, l.cfg.Marker)
	return err
}

func (l *Lease) publish(ctx context.Context, m *nats.Msg, after uint64, ttl time.Duration) (seq uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Wait)
	defer cancel()
	ack, err := l.js.PublishMsg(ctx, m,
		jetstream.WithExpectLastSequencePerSubject(after), jetstream.WithMsgTTL(ttl), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("kv: write %s: %w", l.subj, err)
	}
	return ack.Sequence, nil
}

func (l *Lease) newest(ctx context.Context) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Wait)
	defer cancel()
	return Newest(ctx, l.js.Conn(), l.stream, l.subj)
}

// state tells in the log when writing begins to fail and when it works again,
// and not each time between.
type state struct {
	log     *slog.Logger
	failing bool
}

func (s *state) failed(ctx context.Context, err error) {
	if !s.failing && ctx.Err() == nil {
		s.failing = true
		s.log.Warn("kv: lease not written", obs.Err, err)
	}
}

func (s *state) worked() {
	if s.failing {
		s.failing = false
		s.log.Info("kv: lease written again")
	}
}
