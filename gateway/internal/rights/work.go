package rights

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// work works out what is heard, and looks at the ends of the buckets: at once
// after a reconnect, as what came in between was not heard, and now and then.
func (w *Watch) work(ctx context.Context) error {
	defer w.Gate.finish()
	connected := w.nc.StatusChanged(nats.CONNECTED)
	defer w.nc.RemoveStatusListener(connected)
	check := time.NewTimer(0) // at once: whether authz tells of changes is not known
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
			if pause(ctx, w.cfg.Gather) {
				w.workOut(ctx, false, func() {})
			}
			continue
		case <-connected:
		case <-check.C:
		}
		next := w.cfg.Check
		if err := w.prove(ctx); err != nil {
			w.log.Debug("rights: the ends of the buckets are not known", obs.Err, err)
			next = w.cfg.Pause
		}
		check.Reset(next)
	}
}

// prove looks where the buckets end. When all changes up to there are worked
// out the gate may be open for a while.
func (w *Watch) prove(ctx context.Context) error {
	reconnects, now := w.nc.Stats().Reconnects, time.Now()
	for _, b := range []*bucket{w.policy, w.relations} {
		end, err := b.end(ctx)
		if err != nil {
			return err
		}
		w.hear(b.of, end)
	}
	w.workOut(ctx, !w.follows, func() { w.Gate.prove(reconnects, now.Add(w.cfg.Unheard)) })
	return nil
}

var errOther = errors.New("rights: the bucket is another one, or a replica is behind")

// end asks where a bucket ends. Another than the one that is followed is the
// follower's to find.
func (b *bucket) end(ctx context.Context) (uint64, error) {
	st, err := b.reader.State(ctx)
	if err != nil {
		return 0, err
	}
	epoch, _ := b.follower.Position()
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if st.Epoch != epoch || st.Last < *b.of(&b.w.heard) {
		return 0, errOther
	}
	return st.Last, nil
}

// workOut works out what was heard and is not known, and calls then when all
// members are as it says. ask has authz asked also when there is nothing.
func (w *Watch) workOut(ctx context.Context, ask bool, then func()) {
	w.mu.Lock()
	upTo, anew, since := w.heard, w.anew, w.since
	w.anew, w.since = false, 0
	w.mu.Unlock()
	if upTo == w.known && !anew {
		then() // first: nobody waits for an answer that concerns nobody
		if then = (func() {}); !ask {
			return
		}
	}
	c, at := Everyone(), upTo
	if !anew {
		c, at, w.follows = w.touched(ctx, wire.TouchedAsk{After: w.known, UpTo: upTo})
	}
	if ctx.Err() != nil {
		return
	}
	w.known = upTo
	w.Desk.note(c, at, w.follows)
	w.members.Touched(c, func() {
		if since != 0 {
			w.Gate.end(since)
		}
		then()
	})
}

// touched asks authz whom changes concern. While it is silent it is asked
// again; if it does not say so at all, they may concern everyone.
func (w *Watch) touched(ctx context.Context, q wire.TouchedAsk) (c Change, at wire.Marks, follows bool) {
	nothing := q.After == q.UpTo
	type answer struct {
		wire.TouchedAnswer
		p frame.Problem
	}
	for until := time.Now().Add(w.cfg.Wait); ; {
		heard := make(chan answer, 1)
		w.asks.Touched(q, func(a wire.TouchedAnswer, p frame.Problem) { heard <- answer{a, p} })
		var a answer
		select {
		case a = <-heard:
		case <-ctx.Done():
			return Change{}, q.UpTo, false
		}
		switch {
		case !a.p.Is():
			at := wire.Marks{Policy: max(a.At.Policy, q.UpTo.Policy), Relations: max(a.At.Relations, q.UpTo.Relations)}
			if a.All && !nothing {
				return Everyone(), at, true
			}
			return Of(a.Touched...), at, true
		case nothing: // it is only asked whether it would answer
			return Change{}, q.UpTo, false
		case a.p.Code == wire.NoHandler || time.Now().After(until):
			w.log.Warn("rights: authz does not say whom a change touches: everyone is asked for", "code", string(a.p.Code))
			return Everyone(), q.UpTo, false
		}
		if !pause(ctx, w.cfg.Pause) {
			return Change{}, q.UpTo, false
		}
	}
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, wait time.Duration) (waited bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
