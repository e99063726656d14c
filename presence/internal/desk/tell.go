package desk

import (
	"context"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/presence/internal/told"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	settleTick = 50 * time.Millisecond  // how often a log that is read anew is looked at
	soon       = 50 * time.Millisecond  // until what others have stored is heard
	hearWait   = time.Second            // for the copy of what was stored
	retry      = 200 * time.Millisecond // after an answer that proves nothing
)

// work does what there is to do until ctx ends and what it began is done. What
// changed first is told first: all of it is sent from here.
func (d *Desk) work(ctx context.Context) error {
	var doing sync.WaitGroup
	defer doing.Wait()
	tick := time.NewTicker(settleTick)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		d.mu.Lock()
		what, t, wait := d.chores.take(time.Now())
		wake := d.chores.wake
		d.mu.Unlock()
		if t != nil {
			d.begin(ctx, &doing, what, t)
			continue
		}
		<-d.slots
		timer.Reset(wait)
		select {
		case <-wake:
		case <-timer.C:
		case <-tick.C:
			d.settle()
		case <-ctx.Done():
			return nil
		}
	}
}

// begin does a chore, in a goroutine of its own once that waits for NATS.
func (d *Desk) begin(ctx context.Context, doing *sync.WaitGroup, what chore, t *task) {
	var end func() (again time.Duration)
	if what.kind == tell {
		end = d.tell(ctx, what.of, t)
	} else {
		end = func() time.Duration { return d.keepOrFinish(ctx, what, t) }
	}
	doing.Go(func() {
		again := end()
		d.mu.Lock()
		d.chores.done(what, t, again)
		if what.kind == tell {
			d.waits.release(what.of.User, d.chores)
		}
		d.mu.Unlock()
		<-d.slots
	})
}

func (d *Desk) keepOrFinish(ctx context.Context, what chore, t *task) (again time.Duration) {
	if what.kind == keep {
		return d.keep(ctx, what.key)
	}
	return d.finish(ctx, what.key, t)
}

// tell sends a word on a user if there is one to say, and returns what waits
// for its storing.
func (d *Desk) tell(ctx context.Context, of roster.Touch, t *task) (end func() (again time.Duration)) {
	m, replaces, verdict := d.word(of, t)
	switch verdict {
	case told.Known:
		return func() time.Duration { return 0 }
	case told.Behind:
		return func() time.Duration { return soon }
	case told.Tell:
	}
	room, _ := subject.ParseRoom(of.Room) // no room: the zero Room, for the mesh
	subj := d.cfg.Tree.Tell(room, of.User)
	rec := ledger.Record{Subject: subj, Body: m, After: replaces}
	if m.Change == wire.Left {
		rec.Gone, rec.Stays = true, told.Stays
	}
	answer := d.ledger.Send(rec)
	return func() time.Duration {
		_, err := answer.Wait(ctx)
		switch {
		case err == nil:
			d.meter.Told(m.Change)
			return hearWait // or done, when it is heard
		case kv.Raced(err):
			return d.outrun(ctx, subj, t)
		default:
			d.log.Debug("presence: word not stored", obs.Subject, subj, obs.Err, err)
			return retry
		}
	}
}

func (d *Desk) word(of roster.Touch, t *task) (m wire.PresenceTold, replaces uint64, verdict told.Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	is, here := d.known.Roster.Visible(of)
	m, replaces, verdict = d.known.View.Next(of, is, here, d.known.Here)
	if replaces == 0 {
		replaces = t.after
	}
	return m, replaces, verdict
}

// outrun is what follows a word that found another one there than it was to
// replace. Mostly that is another replica's, and will be heard; or it is one on
// a user who left, that was heard and has been forgotten.
func (d *Desk) outrun(ctx context.Context, subj string, t *task) (again time.Duration) {
	d.meter.Races.Inc()
	newest, err := d.Newest(ctx, d.cfg.Tree.Stream(subject.Tellings), subj)
	if err != nil {
		return retry
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if newest.Seq > d.known.Told.Seq {
		return soon
	}
	t.after = newest.Seq
	return time.Nanosecond
}

// heard is called under mu when a word on a user was heard. If it says what
// there was to say, that is done.
func (d *Desk) heard(of roster.Touch) {
	what := chore{kind: tell, of: of}
	if d.chores.all[what] == nil {
		return
	}
	is, here := d.known.Roster.Visible(of)
	if _, _, verdict := d.known.View.Next(of, is, here, d.known.Here); verdict == told.Known {
		d.chores.drop(what)
		d.waits.release(of.User, d.chores)
	}
}
