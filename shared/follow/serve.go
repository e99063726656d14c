package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// Listen subscribes and learns the end of the log, and returns when every
// entry from there on will be handed over. With cfg.FromStart all that the
// stream holds has been handed over then.
//
// While NATS does not answer Listen waits, until ctx ends. Serve must be
// called, also to end the subscription.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, h Handler, log *slog.Logger) (*Follower, error) {
	cfg = cfg.withDefaults()
	f := &Follower{
		nc: nc, cfg: cfg, h: h, log: log,
		reader: NewReader(nc, cfg),
		ch:     make(chan *nats.Msg, cfg.Channel),
		looked: make(chan found, 1),
	}
	sub, err := nc.ChanSubscribe(cfg.Heard, f.ch)
	if err != nil {
		return nil, fmt.Errorf("follow: hear %s: %w", cfg.Heard, err)
	}
	f.sub = sub
	if err := f.begin(ctx); err != nil {
		_ = sub.Unsubscribe() // the error below is what matters
		return nil, fmt.Errorf("follow: listen to %s: %w", cfg.Stream, err)
	}
	return f, nil
}

// begin finds out where the log ends. The question follows the subscription on
// the same connection, so no flush between them is needed: what is stored
// after the answer is heard, or noticed as missing.
func (f *Follower) begin(ctx context.Context) error {
	st, err := f.state(ctx, func(st State) bool { return st.Led })
	if err != nil {
		return err
	}
	f.adopt(st)
	if !f.cfg.FromStart {
		f.place(st.Epoch, st.Last)
		return nil
	}
	f.place(st.Epoch, 0)
	f.fill(ctx, st.Last)
	f.repair(ctx)
	return ctx.Err()
}

// Serve hands entries to the handler until ctx ends, and returns nil then. It
// returns an error only when the connection was closed for good.
func (f *Follower) Serve(ctx context.Context) error {
	defer f.asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = f.sub.Unsubscribe() }() // fails only if the connection is closed
	states := f.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer f.nc.RemoveStatusListener(states)
	silence := time.NewTimer(f.cfg.Silence)
	defer silence.Stop()
	check := time.NewTicker(f.cfg.Check)
	defer check.Stop()

	f.look(ctx) // whatever happened since Listen
	for !f.nc.IsClosed() {
		select {
		case <-ctx.Done():
			return nil
		case m := <-f.ch:
			late := len(f.ch) > breath // then this is catching up, too
			if f.hear(m) {
				silence.Reset(f.cfg.Silence)
			}
			for range len(f.ch) {
				f.hear(<-f.ch)
				if late {
					f.breathe(ctx)
				}
			}
			f.repair(ctx)
		case <-silence.C:
			f.look(ctx)
			silence.Reset(f.cfg.Silence)
		case <-check.C:
			f.look(ctx)
		case <-states:
			f.dismiss() // a question that the old connection took with it
			f.look(ctx)
		case l := <-f.looked:
			f.found(ctx, l)
		}
	}
	return fmt.Errorf("follow: hear %s: %w", f.cfg.Heard, nats.ErrConnectionClosed)
}

// found is an answer to look: what the stream said, and what was known when it
// was asked.
type found struct {
	State
	err    error
	w      uint64
	resets int
}

// look asks for the end of the log without waiting for it, since copies may
// come while a stream that has no leader is silent. One question is under way
// at a time; if there is one, the next follows it.
func (f *Follower) look(ctx context.Context) {
	if f.looking {
		f.again = true
		return
	}
	f.looking, f.again = true, false
	ctx, f.dismiss = context.WithCancel(ctx)
	l := found{w: f.w, resets: f.resets}
	f.asking.Go(func() {
		l.State, l.err = f.reader.State(ctx)
		f.looked <- l // one at a time: there is room
	})
}

func (f *Follower) found(ctx context.Context, l found) {
	f.dismiss()
	f.looking = false
	switch {
	case l.resets != f.resets: // asked of the log before
	case l.err != nil:
		f.trouble(l.err)
	case f.believes(l.State, l.w):
		f.settle(ctx, l.State, l.w)
		f.repair(ctx)
	}
	if f.again {
		f.look(ctx)
	}
}

// hear takes one message, and reports whether it is an entry that was not
// handed over before.
func (f *Follower) hear(m *nats.Msg) (news bool) {
	e, ok := copyOf(m, f.cfg.Stream)
	if !ok || e.Time.Before(f.made) {
		f.count.foreign.Add(1)
		return false
	}
	switch {
	case e.Seq <= f.w:
		// Read back before it was heard; or of a new log, that begins at 1.
		f.suspect = f.suspect || e.Time.After(f.at)
		return false
	case e.Seq == f.w+1:
		f.count.heard.Add(1)
		f.pass(e)
	case len(f.held) < f.cfg.Pending && (len(f.held) == 0 || e.Seq > f.held[len(f.held)-1].Seq):
		f.held = append(f.held, e)
	}
	f.count.ended(e.Seq)
	return true
}

// drain hears what waits, without waiting for more.
func (f *Follower) drain() {
	for range len(f.ch) {
		f.hear(<-f.ch)
	}
}

func (f *Follower) pass(e Entry) {
	f.h.Entry(e)
	f.at = e.Time
	f.handed++
	f.handedBytes += len(e.Data)
	f.move(e.Seq)
}

// While a follower catches up, the handler is given time after so much.
const (
	breath      = 256
	breathBytes = 256 << 10
)

// breathe calls Page when enough was handed over since it last was.
func (f *Follower) breathe(ctx context.Context) {
	if f.handed >= breath || f.handedBytes >= breathBytes {
		f.page(ctx)
	}
}

func (f *Follower) page(ctx context.Context) {
	f.handed, f.handedBytes = 0, 0
	f.h.Page(ctx)
}

// skip moves W to a sequence below which nothing can be read.
func (f *Follower) skip(to uint64) {
	if to <= f.w {
		return
	}
	f.count.gone.Add(to - f.w)
	f.h.Gone(f.w+1, to)
	f.move(to)
}

func (f *Follower) move(w uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.w = w
}

func (f *Follower) place(epoch string, w uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch, f.w = epoch, w
}

// trouble logs what keeps a follower from knowing its log, once.
func (f *Follower) trouble(err error) {
	if err.Error() != f.told && !errors.Is(err, context.Canceled) {
		f.told = err.Error()
		f.log.Warn("follow: the end of the log is not known", "stream", f.cfg.Stream, "err", err)
	}
}
