package relay

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/trail"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
)

// trails knows where the newest part of the log holds each room's events: from
// what the follower hands over, and, of what lies before, from the log itself,
// read backwards in the background while Serve runs.
//
// Only where to look is taken from it, never that nothing is missing: of a log
// that has lost its end, and was written on, it knows what was there before. So
// it tells when its newest entry was stored: as long as the log holds that very
// entry at its offset, it holds all below it as they were heard. Safe for
// concurrent use.
type trails struct {
	reader *follow.Reader
	meter  *meter.Meter
	log    *slog.Logger
	seed   maphash.Seed
	begun  chan struct{} // holds one when the log was begun anew since it was last taken

	mu    sync.Mutex // guards all below
	epoch string     // the stream's own
	at    time.Time  // when the newest entry was stored; zero: not known yet
	ring  *trail.Ring
	era   int    // counts beginnings: what was read in another is of no use
	knew  uint64 // offsets that the meter was told of
}

func newTrails(reader *follow.Reader, m *meter.Meter, log *slog.Logger) *trails {
	return &trails{
		reader: reader, meter: m, log: log, seed: maphash.MakeSeed(),
		begun: make(chan struct{}, 1), ring: trail.New(trail.MostSpan),
	}
}

func (t *trails) room(subj string) trail.Room { return trail.Room(maphash.String(t.seed, subj)) }

// begin forgets everything: what follows is after an offset of a log.
func (t *trails) begin(epoch string, after uint64) {
	t.mu.Lock()
	t.epoch, t.at = epoch, time.Time{}
	t.era++
	t.ring.Begin(after)
	t.tell()
	t.mu.Unlock()
	select {
	case t.begun <- struct{}{}:
	default:
	}
}

// add notes the log's next entry.
func (t *trails) add(e follow.Entry) {
	room := t.room(e.Subject)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring.Add(e.Seq, room)
	t.at = e.Time
	t.tell()
}

// tell counts what is known now.
func (t *trails) tell() {
	after, upTo := t.ring.Knows()
	if now := upTo - after; now != t.knew {
		t.meter.Trail.Add(float64(now) - float64(t.knew))
		t.knew = now
	}
}

// apart is how many entries of others lie between two of a room, at least, for
// it to be faster to read each by its offset than to let NATS pass over those
// between: it passes over one in 75 ns, and finds one by its offset in 20 µs.
const apart = 256

// found is where entries lie, and how to find out that it is still so.
type found struct {
	offsets []uint64  // of the entries that were asked for, oldest first, perhaps with some of other rooms
	upTo    uint64    // all up to here are among them
	end     uint64    // the newest entry that is known,
	endAt   time.Time // and when it was stored
}

// since finds the entries under subj in (after, upTo], where that is known and
// they lie so far apart that it is of use.
func (t *trails) since(epoch, subj string, after, upTo uint64) (f found, ok bool) {
	room := t.room(subj)
	t.mu.Lock()
	defer t.mu.Unlock()
	_, f.end = t.ring.Knows()
	f.endAt, f.upTo = t.at, min(f.end, upTo)
	if epoch != t.epoch || t.at.IsZero() || after >= f.upTo {
		return f, false
	}
	f.offsets, ok = t.ring.Since(room, after, int((f.end-after)/apart)) //nolint:gosec // less than the ring's span where it is used
	n, _ := slices.BinarySearch(f.offsets, f.upTo+1)
	f.offsets = f.offsets[:n]
	return f, ok
}

// Bounds of what is read back for the trails at a time and after one begin.
const (
	fillSpan  = 4096      // offsets that are read between two pauses
	fillBytes = 512 << 20 // of events, that are read after a begin
)

// Serve reads back what lies before the first entry that was handed over,
// until the ring is full, after each begin anew; and returns when ctx ends. It
// reads one page at a time and rests as long as it read, so that others who
// read have at least half of the time.
func (t *trails) Serve(ctx context.Context) error {
	defer t.end()
	for {
		select {
		case <-t.begun:
			t.fill(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// end takes what is known out of the meter: several gateways may count into it.
func (t *trails) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meter.Trail.Sub(float64(t.knew))
	t.knew = 0
}

// fill grows the ring downwards until it is full, or enough was read.
func (t *trails) fill(ctx context.Context) {
	t.mu.Lock()
	era := t.era
	t.mu.Unlock()
	for bytes := 0; bytes < fillBytes && len(t.begun) == 0; {
		begun := time.Now()
		n, more, err := t.grow(ctx, era)
		bytes += n
		switch {
		case errors.Is(err, follow.ErrChanged), errors.Is(err, store.ErrMissing), errors.Is(err, nats.ErrConnectionClosed), ctx.Err() != nil:
			return // the follower notices too, or all is at its end
		case err != nil:
			t.log.Debug("relay: what lies before cannot be read now", obs.Err, err)
		case !more:
			return
		}
		select {
		case <-time.After(max(time.Since(begun), readAgain/10)):
		case <-ctx.Done():
			return
		}
	}
}

// grow reads the entries right below what the ring knows, and adds them to it
// if it is still the same. It reports false when there is nothing to add.
func (t *trails) grow(ctx context.Context, era int) (bytes int, more bool, err error) {
	t.mu.Lock()
	epoch, floor := t.epoch, t.ring.Floor()
	upTo, _ := t.ring.Knows()
	t.mu.Unlock()
	if upTo <= floor {
		return 0, false, nil
	}
	after := max(floor, upTo-min(upTo, fillSpan))
	var older []trail.Event
	var newest follow.Entry
	for at := after; at < upTo; {
		page, err := t.reader.Read(ctx, epoch, "", at, upTo)
		if err != nil {
			return bytes, true, err
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			older = append(older, trail.Event{Offset: e.Seq, Room: t.room(e.Subject)})
			bytes += len(e.Data)
			at, newest = e.Seq, follow.Entry{Seq: e.Seq, Time: e.Time}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.era != era {
		return bytes, false, nil
	}
	t.ring.Grow(after, older)
	if _, end := t.ring.Knows(); end == newest.Seq && t.at.IsZero() {
		t.at = newest.Time
	}
	t.tell()
	return bytes, true, nil
}
