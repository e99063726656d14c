package follow

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// repair reads back what is missing below the entries that are held, and hands
// these over, until none is held.
func (f *Follower) repair(ctx context.Context) {
	for (f.suspect || len(f.held) > 0) && ctx.Err() == nil {
		st, err := f.state(ctx, func(st State) bool { return f.believes(st, f.w) })
		if err != nil {
			return
		}
		whole := f.suspect // then not only a hole is in doubt, but the end too
		f.suspect = false
		if !f.same(ctx, st, f.w) {
			continue
		}
		if st.Led {
			f.unhold(st.Last)
		}
		if whole {
			f.fill(ctx, st.Last)
		} else if len(f.held) > 0 {
			f.fill(ctx, f.held[0].Seq-1)
		}
		f.release(ctx)
	}
}

// release hands over what is held and no longer above a hole.
func (f *Follower) release(ctx context.Context) {
	n := 0
	for ; n < len(f.held) && f.held[n].Seq <= f.w+1; n++ {
		if f.held[n].Seq == f.w+1 {
			f.count.heard.Add(1)
			f.pass(f.held[n])
			f.breathe(ctx)
		}
	}
	clear(f.held[:n]) // lets the entries go
	f.held = f.held[n:]
}

// unhold drops what is held above the end that the leader told. Such entries
// were heard, and then lost by the server before this follower handed them
// over; their sequences will be used again. If it is the leader that is
// behind, they are read back later.
func (f *Follower) unhold(end uint64) {
	for n := len(f.held); n > 0 && f.held[n-1].Seq > end; n-- {
		f.held = f.held[:n-1]
	}
}

// settle brings W to the end that the stream told when W was w.
func (f *Follower) settle(ctx context.Context, st State, w uint64) {
	f.told = ""
	f.count.ended(st.Last)
	if !f.same(ctx, st, w) {
		return
	}
	f.fill(ctx, st.Last)
	if f.w >= st.Last {
		f.whole = st.At
	}
}

// fill reads back what lies between W and top. While a page is handed over the
// next one is read.
func (f *Follower) fill(ctx context.Context, top uint64) {
	if f.w >= top {
		return
	}
	f.count.holes.Add(1)
	if !f.cfg.FromStart && top-f.w > f.cfg.MostBehind {
		epoch, _ := f.Position()
		f.restart(epoch, top, Behind)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	next := f.ahead(ctx, f.w, top)
	defer func() {
		cancel()
		for range next { // one that is not wanted any more
		}
	}()
	for f.w < top {
		p := <-next
		if p.err != nil {
			if ctx.Err() == nil {
				f.suspect = true
				f.trouble(p.err)
			}
			return
		}
		if len(p.entries) == 0 {
			f.skip(top)
			return
		}
		next = f.ahead(ctx, p.entries[len(p.entries)-1].Seq, top)
		f.refill(ctx, p.entries)
	}
}

// refill hands over a page that was read back, but for what was heard since.
func (f *Follower) refill(ctx context.Context, entries []Entry) {
	for _, e := range entries {
		if e.Seq <= f.w {
			continue
		}
		f.skip(e.Seq - 1)
		f.count.filled.Add(1)
		f.pass(e)
		f.breathe(ctx)
	}
	f.page(ctx)
	f.drain()
}

// pageRead is what Reader.Read returned.
type pageRead struct {
	entries []Entry
	err     error
}

// ahead reads the next page above after in a goroutine of its own. Its channel
// holds the page, and is closed behind it.
func (f *Follower) ahead(ctx context.Context, after, top uint64) <-chan pageRead {
	read := make(chan pageRead, 1)
	epoch := f.base
	if after >= top {
		close(read)
		return read
	}
	go func() {
		defer close(read)
		entries, err := f.reader.Read(ctx, epoch, "", after, top)
		read <- pageRead{entries, err}
	}()
	return read
}

// state asks until the answer is one to believe, or ctx ends.
func (f *Follower) state(ctx context.Context, believe func(State) bool) (State, error) {
	for {
		st, err := f.reader.State(ctx)
		if err == nil && believe(st) {
			f.told = ""
			f.count.ended(st.Last)
			return st, nil
		}
		if errors.Is(err, nats.ErrConnectionClosed) {
			return State{}, err
		}
		if err == nil {
			err = errNoLeader(f.cfg.Stream)
		}
		f.trouble(err)
		select {
		case <-ctx.Done():
			return State{}, errors.Join(ctx.Err(), err)
		case <-time.After(f.cfg.Retry):
		}
	}
}

// believes reports whether an answer that came when W was w can be used. Some
// 10 s after a stream has lost its leader its followers answer, and may be
// behind: then only what lies ahead is news.
func (f *Follower) believes(st State, w uint64) bool {
	return st.Led || st.Epoch == f.base && st.Last >= w
}

// same reports whether st, asked when W was w, is of the log that is followed.
// If it is of another one, or of so much later that deletions may be missed,
// the follower begins anew.
func (f *Follower) same(ctx context.Context, st State, w uint64) bool {
	switch {
	case st.Epoch != f.base:
		f.reset(ctx, st, Anew)
	case st.Last < w:
		// The stream still tells its old epoch, but positions in it no longer
		// mean the same. Whoever gives positions away makes that known.
		f.log.Error("follow: the end of the log was lost", "stream", f.cfg.Stream, "last", st.Last, "heard", w)
		f.reset(ctx, st, Fell)
	case f.forgotten(st):
		f.reset(ctx, st, Forgotten)
	default:
		return true
	}
	return false
}

// forgotten reports whether keys may have been deleted, and the markers of
// that have ended, since W was last the whole log. Half of a marker's life is
// left for reading back.
func (f *Follower) forgotten(st State) bool {
	return f.cfg.FromStart && st.Forgets > 0 && st.Last > f.w && st.At.Sub(f.whole) > st.Forgets/2
}

// reset begins anew with the log that st tells of. What waits is of the one
// before, or is read back.
func (f *Follower) reset(ctx context.Context, st State, why Why) {
	for range len(f.ch) {
		<-f.ch
	}
	f.held, f.suspect = nil, false
	f.adopt(st)
	if !f.cfg.FromStart {
		f.restart(st.Epoch, st.Last, why)
		return
	}
	f.restart(st.Epoch, 0, why)
	f.fill(ctx, st.Last)
}

// adopt makes st's log the one that is followed.
func (f *Follower) adopt(st State) {
	f.base, f.made, f.at, f.whole = st.Epoch, st.Made, st.LastAt, st.At
	f.count.end.Store(st.Last)
}

func (f *Follower) restart(epoch string, w uint64, why Why) {
	f.resets++
	f.count.resets.Add(1)
	f.log.Warn("follow: begins anew", "stream", f.cfg.Stream, "why", string(why), "from", f.w, "to", w)
	f.h.Reset(epoch, w, why)
	f.place(epoch, w)
}
