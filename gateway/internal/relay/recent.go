package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// remaining asks how many events of a room stand after an offset, and where
// the first of them is. Of an event whose copy does not tell, because its
// publisher cut its headers short or gave it a status, the leader says where
// it stands, and the count goes on behind it.
func (r *Relay) remaining(ctx context.Context, filter string, after uint64) (n int, first uint64, err error) {
	for untold := 0; ; untold++ {
		at, behind, err := r.nextOf(ctx, filter, after)
		if err != nil {
			return 0, 0, err
		}
		if first == 0 {
			first = at
		}
		switch {
		case at == 0:
			return untold, first, nil
		case behind >= 0:
			return untold + 1 + behind, first, nil
		}
		after = at
	}
}

// nextOf asks where the first event of a room after an offset stands (0: there
// is none) and how many stand behind it, below zero if only the leader knew
// the first.
func (r *Relay) nextOf(ctx context.Context, filter string, after uint64) (at uint64, behind int, err error) {
	ask, err := json.Marshal(map[string]any{"seq": after + 1, "next_by_subj": filter, "batch": 1})
	if err != nil {
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	stream := r.tree.Stream(subject.Events)
	// The first answer is the event, the second an end mark that nobody hears.
	m, err := r.past.RequestWithContext(ctx, subject.DirectGet(stream), ask)
	switch {
	case errors.Is(err, nats.ErrNoResponders): // or an event that says so of itself
		m = &nats.Msg{}
	case err != nil:
		return 0, 0, fmt.Errorf("relay: count %s: %w", filter, err)
	}
	h, whole := natsconn.ReadHeader(m)
	if whole && h.Last("Nats-Stream") == stream {
		at, badAt := strconv.ParseUint(h.Last("Nats-Sequence"), 10, 64)
		behind, badCount := strconv.Atoi(h.Last("Nats-Num-Pending"))
		return at, behind, errors.Join(badAt, badCount)
	}
	var next struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	err = askStream(r.past, subject.LeaderGet(stream), map[string]any{"seq": after + 1, "next_by_subj": filter}, &next)
	return next.Message.Seq, -1, err
}

// slack is how many entries more than asked for are read, to ask less often
// where they begin.
const slack = 100

// below finds an offset after which, up to upTo, a room has most events at
// least, if it has so many, and not many more. It halves: the log can count
// what stands after a place, but not read backwards.
func (r *Relay) below(ctx context.Context, filter string, upTo uint64, most int) (after uint64, err error) {
	_, first, err := r.remaining(ctx, filter, 0)
	if err != nil || first == 0 {
		return 0, err
	}
	low := first - 1 // the events after low are enough, or all there are
	for high := upTo; low+1 < high; {
		middle := low + (high-low)/2
		n, next, err := r.remaining(ctx, filter, middle)
		if err != nil {
			return 0, err
		}
		// What is published meanwhile is counted above upTo after it may have
		// been counted in n, so what is left is no more than there is.
		above, _, err := r.remaining(ctx, filter, upTo)
		if err != nil {
			return 0, err
		}
		switch n -= above; {
		case n < most:
			high = middle
		case n <= most+slack:
			return middle, nil
		default:
			low = max(middle, next-1)
		}
	}
	return low, nil
}

// recent reads the newest most entries of a room up to an offset, and tells
// whether there are older ones.
func (r *Relay) recent(ctx context.Context, st follow.State, filter string, upTo uint64, most int) (entries []*room.Entry, older bool, err error) {
	after, err := r.below(ctx, filter, upTo, most)
	for err == nil {
		var got []follow.Entry
		if got, err = r.reader.Read(ctx, st.Epoch, filter, after, upTo); len(got) == 0 {
			break
		}
		for _, e := range got {
			entries = append(entries, r.entry(e))
			after = e.Seq
		}
		if extra := len(entries) - most; extra > 0 {
			entries, older = entries[extra:], true
		}
	}
	if err != nil || older || len(entries) == 0 {
		return entries, older, err
	}
	_, first, err := r.remaining(ctx, filter, 0)
	return entries, first != 0 && first < entries[0].Offset, err
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
	entries, older, err := r.recent(ctx, st, r.tree.Event(of), upTo, most)
	if err != nil {
		return frame.Past{}, err
	}
	return frame.Past{Events: r.rooms.Events(entries), Epoch: r.epoch(st.Epoch), More: older}, nil
}

// Newest answers with the span of the newest most entries of a room, for a
// connection.
func (r *Relay) Newest(of subject.Room, most int, id string, answer func(Span, error)) {
	if newest, at, held := r.rooms.Newest(of.Key(), most); held {
		answer(r.span(newest, at, id), nil)
		return
	}
	queued := r.pages.do(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, readWait)
		defer cancel()
		st, err := r.reader.State(ctx)
		if err != nil {
			answer(Span{}, err)
			return
		}
		entries, _, err := r.recent(ctx, st, r.tree.Event(of), st.Last, most)
		answer(r.span(entries, frame.Position{Epoch: r.epoch(st.Epoch), Offset: st.Last}, id), err)
	})
	if !queued {
		answer(Span{}, errBusy)
	}
}

// span is that of a room's newest entries up to a position.
func (r *Relay) span(entries []*room.Entry, upTo frame.Position, id string) Span {
	s := Span{After: upTo, UpTo: upTo}
	if len(entries) > 0 {
		s.After.Offset = entries[0].Offset - 1
	}
	s.Events, _ = r.rooms.Count(entries, id)
	return s
}
