package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

var (
	errBusy  = errors.New("relay: too many reads of the past wait")
	errLost  = errors.New("relay: a part of the past is gone")
	errAnew  = errors.New("relay: the log is another one")
	errNoone = errors.New("relay: nobody tells what the log holds")
)

// Span is a part of a room's past that is about to be replayed: whoever had all
// up to After, and has been told Events more, has all up to UpTo.
type Span struct {
	After, UpTo frame.Position
	Events      int // that the connection asked for will be told
}

// Judge says whether all that a room was told after since can be replayed to a
// connection, by this rule: since is of this epoch and not above the stream's
// last sequence, and the room's oldest kept event is at or before since+1, or
// the room holds fewer than its maximum and the stream begins at or before
// since+1. Asked of the leader, after what follows since was read; what cannot
// be known is not recovered. What is in memory is proof where the stream must
// hold it too.
func (r *Relay) Judge(of subject.Room, since frame.Position, id string, answer func(s Span, recovered bool)) {
	past := r.rooms.Past(of.Key(), since)
	if since.Epoch != past.At.Epoch {
		answer(Span{}, false)
		return
	}
	if events, oldestMs := r.rooms.Count(past.Entries, id); past.Held && r.keeps.Load().surely(since.Epoch, len(past.Entries), oldestMs) {
		answer(Span{After: since, UpTo: past.At, Events: events}, true)
		return
	}
	r.page(of, since, judged(), func(p *page) { r.verdict(of, since, id, p, true, answer) })
}

// verdict answers Judge by a page. One that was kept for a while does not tell of
// what was stored since: memory does, or else the page is read anew, if it may
// be.
func (r *Relay) verdict(of subject.Room, since frame.Position, id string, p *page, again bool, answer func(Span, bool)) {
	if p.err != nil {
		r.log.Debug("relay: what was missed cannot be replayed", obs.Room, of.String(), "offset", since.Offset, obs.Err, p.err)
		answer(Span{}, false)
		return
	}
	later := r.rooms.Past(of.Key(), frame.Position{Epoch: since.Epoch, Offset: p.last})
	if !later.Held && p.last < later.At.Offset && again {
		r.pages.forget(p)
		r.page(of, since, judged(), func(p *page) { r.verdict(of, since, id, p, false, answer) })
		return
	}
	s := Span{After: since, UpTo: frame.Position{Epoch: since.Epoch, Offset: p.upTo}}
	s.Events, _ = r.rooms.Count(p.behindOf(since.Offset), id)
	stored, _ := r.rooms.Count(later.Entries, id)
	s.Events += p.behind + stored
	// Not up to the log's end, if there is more than the page: a replica that is
	// behind may have counted too few.
	if later.Held && p.behind == 0 && p.upTo >= p.last {
		s.UpTo = later.At
	}
	answer(s, true)
}

// keeps is how much of a room the stream keeps. Nil is not known.
type keeps struct {
	epoch   string        // of which it is known
	perRoom int64         // zero or less: no bound
	age     time.Duration // likewise
	bytes   int64         // of all rooms; likewise
}

// memory is about the most bytes of the log that rooms hold; the log counts
// more for each entry.
const memory = 64 << 20

// surely reports whether the stream of an epoch must still hold a room's newest
// entries, of which the oldest was stored at a time.
func (k *keeps) surely(epoch string, entries int, oldestMs int64) bool {
	return k != nil && k.epoch == epoch && (k.perRoom <= 0 || int64(entries) < k.perRoom) && (k.bytes <= 0 || k.bytes > memory) &&
		(k.age <= 0 || oldestMs == 0 || time.Since(time.UnixMilli(oldestMs)) < k.age/2)
}

// Replay answers with a part of a room's past that goes on after a position,
// read from the log, and how far it goes; it may begin before. The error says that it cannot be had
// without a hole any more.
func (r *Relay) Replay(of subject.Room, after frame.Position, answer func(entries []*room.Entry, upTo uint64, err error)) {
	r.page(of, after, replayed(), func(p *page) { answer(p.entries, p.upTo, p.err) })
}

func (r *Relay) page(of subject.Room, after frame.Position, size pageSize, answer func(*page)) {
	key := pageKey{of.Key(), after, size}
	r.pages.get(key, func(ctx context.Context) *page { return r.readPage(ctx, of, after, size) }, answer)
}

// readAgain is the pause after an answer that proves nothing.
const readAgain = 50 * time.Millisecond

// readPage reads a room's events after a position, and proves that none is
// missing between. While the stream has no leader that could tell it tries
// again, until ctx ends.
func (r *Relay) readPage(ctx context.Context, of subject.Room, after frame.Position, size pageSize) *page {
	for {
		p, err := r.tryPage(ctx, of, after, size)
		if err == nil {
			return p
		}
		for _, known := range []error{errLost, errAnew, follow.ErrChanged, store.ErrMissing, nats.ErrConnectionClosed} {
			if errors.Is(err, known) {
				return &page{err: err}
			}
		}
		select {
		case <-ctx.Done():
			return &page{err: err}
		case <-time.After(readAgain):
		}
	}
}

func (r *Relay) tryPage(ctx context.Context, of subject.Room, after frame.Position, size pageSize) (*page, error) {
	st, err := r.reader.State(ctx)
	switch {
	case err != nil:
		return nil, err
	case !st.Led:
		return nil, errNoone
	case r.epoch(st.Epoch) != after.Epoch || st.Last < after.Offset:
		return nil, errAnew
	}
	filter := r.tree.Event(of)
	p, err := r.readEntries(ctx, st, filter, after.Offset, size)
	if err != nil {
		return nil, err
	}
	p.after, p.last, p.counted = after, max(st.Last, p.upTo), size.counted || p.upTo >= st.Last
	if size.counted && p.upTo < st.Last {
		if p.behind, _, err = r.remaining(ctx, filter, p.upTo); err != nil {
			return nil, err
		}
	}
	whole, err := r.whole(r.past, of.Key(), after.Offset+1)
	if err != nil {
		return nil, err
	}
	now, err := r.reader.State(ctx)
	switch {
	case err != nil:
		return nil, err
	case !now.Led:
		return nil, errNoone
	case r.epoch(now.Epoch) != after.Epoch: // it was made anew while it was read
		return nil, errAnew
	case !whole:
		return nil, errLost
	}
	r.keeps.Store(&keeps{after.Epoch, st.PerSubject, st.MaxAge, st.MaxBytes})
	r.meter.Repaired(meter.Replayed, uint64(len(p.entries)))
	return p, nil
}
