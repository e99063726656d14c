package relay

import (
	"context"
	"errors"

	"github.com/hubmesh/hubmesh/shared/follow"
)

// readEntries reads a room's entries after an offset: a page, or all there are
// when the log was as st says. What is known to lie far apart is picked, and
// the rest read in order.
func (r *Relay) readEntries(ctx context.Context, st follow.State, filter string, after uint64, size pageSize) (*page, error) {
	got, upTo, err := r.pickEntries(ctx, st, filter, after, size)
	if err != nil {
		return nil, err
	}
	p, bytes := &page{}, 0
	for {
		for _, e := range got {
			p.entries = append(p.entries, r.entry(e))
			bytes += len(e.Data)
		}
		if len(p.entries) >= size.entries || bytes >= size.bytes {
			p.upTo = upTo
			return p, nil
		}
		if got, err = r.reader.Read(ctx, st.Epoch, filter, upTo, st.Last); err != nil {
			return nil, err
		}
		if len(got) == 0 {
			p.upTo = st.Last
			return p, nil
		}
		upTo = got[len(got)-1].Seq
	}
}

// pickEntries reads a page of a room's entries after an offset, those that the
// trails know to lie far apart, and how far it goes. Where they know nothing,
// one of theirs is gone, or the log is not the one that they were made of, it
// is none: the log is then read in order, and the leader says what is missing.
func (r *Relay) pickEntries(ctx context.Context, st follow.State, filter string, after uint64, size pageSize) (got []follow.Entry, upTo uint64, err error) {
	f, ok := r.trails.since(st.Epoch, filter, after, st.Last)
	if !ok {
		return nil, after, nil
	}
	want := append([]uint64{f.end}, f.offsets[:min(len(f.offsets), size.entries)]...)
	read, err := r.reader.Pick(ctx, want, size.bytes)
	if errors.Is(err, follow.ErrGone) {
		return nil, after, nil
	}
	if err != nil || !read[0].Time.Equal(f.endAt) {
		return nil, after, err
	}
	switch {
	case len(read) == len(f.offsets)+1:
		upTo = f.upTo
	case len(read) > 1:
		upTo = read[len(read)-1].Seq
	default:
		upTo = after // the newest entry alone is a page
	}
	for _, e := range read[1:] {
		if e.Subject == filter { // else it was taken for the room's
			got = append(got, e)
		}
	}
	return got, upTo, nil
}
