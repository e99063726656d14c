package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/subject"
)

var (
	errBusy  = errors.New("relay: too many reads of the past wait")
	errLost  = errors.New("relay: a part of the past is gone")
	errAnew  = errors.New("relay: the log is another one")
	errNoone = errors.New("relay: nobody tells what the log holds")
)

// Judge says whether all that a room was told after since can be replayed, by
// this rule: since is of this epoch and not above the stream's last sequence,
// and the room's oldest kept event is at or before since+1, or the room holds
// fewer than its maximum and the stream begins at or before since+1. Asked of
// the leader, after what follows since was read; what cannot be known is not
// recovered. What memory holds whole is proven by that.
func (r *Relay) Judge(of subject.Room, since frame.Position, answer func(recovered bool, missed int)) {
	key := of.Key()
	past := r.rooms.Past(key, since)
	switch {
	case past.Held:
		answer(true, past.Missed)
	case since.Epoch != past.At.Epoch:
		answer(false, 0)
	default:
		r.page(of, since, func(p *page) {
			if p.err != nil {
				answer(false, 0)
				return
			}
			answer(true, len(p.entries)+p.behind)
		})
	}
}

// Replay answers with the next part of a room's past after a position, read
// from the log, and how far it goes. The error says that it cannot be had
// without a hole any more.
func (r *Relay) Replay(of subject.Room, after frame.Position, answer func(entries []*room.Entry, upTo uint64, err error)) {
	r.page(of, after, func(p *page) { answer(p.entries, p.upTo, p.err) })
}

func (r *Relay) page(of subject.Room, after frame.Position, answer func(*page)) {
	key := pageKey{of.Key(), after}
	r.pages.get(key, func(ctx context.Context) *page { return r.readPage(ctx, of, after) }, answer)
}

const (
	pageEntries = 500     // of one page that is shared
	pageBytes   = 1 << 20 // after which no more is read into a page
)

// readPage reads a room's events after a position, and proves that none is
// missing between.
func (r *Relay) readPage(ctx context.Context, of subject.Room, after frame.Position) *page {
	st, err := r.reader.State(ctx)
	switch {
	case err != nil:
		return &page{err: err}
	case !st.Led:
		return &page{err: errNoone}
	case r.epoch(st.Epoch) != after.Epoch || st.Last < after.Offset:
		return &page{err: errAnew}
	}
	p, bytes := &page{upTo: after.Offset}, 0
	filter := r.tree.Event(of)
	for len(p.entries) < pageEntries && bytes < pageBytes {
		got, err := r.reader.Read(ctx, st.Epoch, filter, p.upTo, st.Last)
		if err != nil {
			return &page{err: err}
		}
		if len(got) == 0 {
			p.upTo = st.Last
			break
		}
		for _, e := range got {
			p.entries = append(p.entries, r.entry(e))
			p.upTo = e.Seq
			bytes += len(e.Data)
		}
	}
	if p.upTo < st.Last {
		if p.behind, _, err = r.remaining(ctx, filter, p.upTo); err != nil {
			return &page{err: err}
		}
	}
	whole, err := r.whole(of.Key(), after.Offset+1)
	switch {
	case err != nil:
		return &page{err: err}
	case !whole:
		return &page{err: errLost}
	}
	r.meter.Repaired(meter.Replayed, uint64(len(p.entries)))
	return p
}

// remaining asks how many events of a room stand after an offset, and where
// the first of them is.
func (r *Relay) remaining(ctx context.Context, filter string, after uint64) (n int, first uint64, err error) {
	ask, err := json.Marshal(map[string]any{"seq": after + 1, "next_by_subj": filter, "batch": 1})
	if err != nil {
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	// The first answer is the event, the second an end mark that nobody hears.
	m, err := r.nc.RequestWithContext(ctx, subject.DirectGet(r.tree.Stream(subject.Events)), ask)
	if err != nil {
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	seq := lastValue(m.Header, "Nats-Sequence")
	if seq == "" {
		return 0, 0, nil // the status that there is none
	}
	first, err = strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	pending, err := strconv.Atoi(lastValue(m.Header, "Nats-Num-Pending"))
	if err != nil {
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	return pending + 1, first, nil
}

// lastValue is a header's last value: the server's own, behind what a
// publisher may have written.
func lastValue(h nats.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// newest finds the offset after which the newest most events of a room up to
// an offset stand, and whether there are older ones. It halves: the log can
// count what stands after a place but not read backwards.
func (r *Relay) newest(ctx context.Context, filter string, upTo uint64, most int) (after uint64, older bool, err error) {
	above, _, err := r.remaining(ctx, filter, upTo)
	if err != nil {
		return 0, false, err
	}
	all, first, err := r.remaining(ctx, filter, 0)
	if err != nil {
		return 0, false, err
	}
	if all-above <= most {
		return 0, false, nil
	}
	// At or after low stand more than most, after high fewer.
	for low, high := first, upTo; low+1 < high; {
		middle := low + (high-low)/2
		n, next, err := r.remaining(ctx, filter, middle)
		if err != nil {
			return 0, false, err
		}
		switch n -= above; {
		case n == most:
			return middle, true, nil
		case n > most:
			low = max(middle, next-1)
		default:
			high = middle
		}
	}
	return 0, false, errNoone // the room changed under the search
}

// History answers with the newest most events of a room before an offset (0:
// all), oldest first, and whether there are older ones.
func (r *Relay) History(of subject.Room, before uint64, most int, answer func(frame.Past, error)) {
	queued := r.pages.do(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, readWait)
		defer cancel()
		answer(r.history(ctx, of, before, most))
	})
	if !queued {
		answer(frame.Past{}, errBusy)
	}
}

func (r *Relay) history(ctx context.Context, of subject.Room, before uint64, most int) (frame.Past, error) {
	st, err := r.reader.State(ctx)
	if err != nil {
		return frame.Past{}, err
	}
	upTo := st.Last
	if before > 0 {
		upTo = min(upTo, before-1)
	}
	filter := r.tree.Event(of)
	after, older, err := r.newest(ctx, filter, upTo, most)
	if err != nil {
		return frame.Past{}, err
	}
	var entries []*room.Entry
	for len(entries) < most {
		got, err := r.reader.Read(ctx, st.Epoch, filter, after, upTo)
		if err != nil {
			return frame.Past{}, err
		}
		if len(got) == 0 {
			break
		}
		for _, e := range got {
			entries = append(entries, r.entry(e))
			after = e.Seq
		}
	}
	entries = entries[max(0, len(entries)-most):]
	return frame.Past{Events: r.rooms.Events(entries), Epoch: r.epoch(st.Epoch), More: older}, nil
}

// Newest answers with the position after which the newest most events of a
// room stand, and how many there are.
func (r *Relay) Newest(of subject.Room, most int, answer func(after frame.Position, events int, err error)) {
	if after, held := r.rooms.Newest(of.Key(), most); held {
		answer(after, most, nil)
		return
	}
	queued := r.pages.do(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, readWait)
		defer cancel()
		answer(r.newestOf(ctx, of, most))
	})
	if !queued {
		answer(frame.Position{}, 0, errBusy)
	}
}

func (r *Relay) newestOf(ctx context.Context, of subject.Room, most int) (after frame.Position, events int, err error) {
	st, err := r.reader.State(ctx)
	if err != nil {
		return after, 0, err
	}
	filter := r.tree.Event(of)
	from, _, err := r.newest(ctx, filter, st.Last, most)
	if err != nil {
		return after, 0, err
	}
	n, first, err := r.remaining(ctx, filter, from)
	if n == 0 {
		return frame.Position{Epoch: r.epoch(st.Epoch), Offset: st.Last}, 0, err
	}
	return frame.Position{Epoch: r.epoch(st.Epoch), Offset: first - 1}, n, err
}
