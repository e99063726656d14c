package relay

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

const (
	readers    = 8        // reads of the log at once
	readsQueue = 64 << 10 // reads that may wait; further ones fail at once
	readWait   = 20 * time.Second

	pagesFor   = 30 * time.Second // how long a page that was read serves others
	pagesBytes = 32 << 20         // that such pages may hold together
)

// pageKey names a read: what a room holds after an offset, so much of it.
type pageKey struct {
	room  string
	after frame.Position
	size  pageSize
}

// pageSize is how much is read at once.
type pageSize struct {
	entries, bytes int
	counted        bool // what is behind it is, too
}

// judged is read to judge a position, and to tell how much was missed since.
func judged() pageSize { return pageSize{entries: 500, bytes: 1 << 20, counted: true} }

// replayed is read for who is further behind: what it is offered at once. More
// would be of no use where pages are not kept for long.
func replayed() pageSize { return pageSize{entries: room.PartEntries, bytes: room.PartBytes} }

// page is a part of a room's past. It is shared by all who come back to a place
// in it.
type page struct {
	entries []*room.Entry
	after   frame.Position // what came before is not in it
	upTo    uint64         // the room's events up to here are in it
	last    uint64         // the log's end when it was read
	behind  int            // events of the room behind it,
	counted bool           // where they were counted
	err     error
}

// tells reports whether a page tells what is asked for.
func (p *page) tells(key pageKey) bool {
	if key.size.counted && !p.counted {
		return false
	}
	at := key.after
	return p.after == at || p.after.Epoch == at.Epoch && p.after.Offset < at.Offset && at.Offset < p.upTo
}

// behindOf is the entries after an offset.
func (p *page) behindOf(after uint64) []*room.Entry {
	n, _ := slices.BinarySearchFunc(p.entries, after+1, func(e *room.Entry, offset uint64) int { return cmp.Compare(e.Offset, offset) })
	return p.entries[n:]
}

// pages reads each part of the past once for all who ask for it while it is
// read or shortly after. What is asked is done by a few goroutines of Serve.
type pages struct {
	todo chan func(context.Context) // never closed: Serve ends by its ctx

	mu    sync.Mutex // guards all below
	open  map[pageKey][]func(*page)
	kept  map[string][]*page // by room
	order []keptPage         // oldest first
	bytes int
	reads uint64 // of the log, for figures
}

type keptPage struct {
	room  string
	page  *page
	bytes int
	until time.Time
}

func newPages() pages {
	return pages{
		todo: make(chan func(context.Context), readsQueue),
		open: map[pageKey][]func(*page){}, kept: map[string][]*page{},
	}
}

// Serve reads until ctx ends.
func (p *pages) Serve(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range readers {
		wg.Go(func() {
			for {
				select {
				case do := <-p.todo:
					do(ctx)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return nil
}

// do has f done by one of Serve's goroutines, or reports false when too much
// waits already.
func (p *pages) do(f func(context.Context)) (queued bool) {
	select {
	case p.todo <- f:
		return true
	default:
		return false
	}
}

// get answers with a page that tells what key names, which read reads if nobody has. answer is
// called on the caller's goroutine or on one of Serve's, and must not block.
func (p *pages) get(key pageKey, read func(context.Context) *page, answer func(*page)) {
	p.mu.Lock()
	p.expire(time.Now())
	if i := slices.IndexFunc(p.kept[key.room], func(kept *page) bool { return kept.tells(key) }); i >= 0 {
		kept := p.kept[key.room][i]
		p.mu.Unlock()
		answer(kept)
		return
	}
	waiting, underWay := p.open[key]
	p.open[key] = append(waiting, answer)
	p.mu.Unlock()
	if underWay {
		return
	}
	late := time.Now().Add(readWait) // from here: what waits for others that wait does not wait anew
	queued := p.do(func(ctx context.Context) {
		ctx, cancel := context.WithDeadline(ctx, late)
		defer cancel()
		got := read(ctx)
		if errors.Is(got.err, context.Canceled) || errors.Is(got.err, nats.ErrConnectionClosed) {
			return // the gateway is ending: its clients learn more where they come back
		}
		p.settle(key, got)
	})
	if !queued {
		p.settle(key, &page{err: errBusy})
	}
}

// settle answers all who wait for a page, and keeps it for those who come.
func (p *pages) settle(key pageKey, got *page) {
	p.mu.Lock()
	p.reads++
	waiting := p.open[key]
	delete(p.open, key)
	if got.err == nil {
		size := 0
		for _, e := range got.entries {
			size += e.Size
		}
		p.kept[key.room] = append(p.kept[key.room], got)
		p.order = append(p.order, keptPage{key.room, got, size, time.Now().Add(pagesFor)})
		p.bytes += size
		p.expire(time.Now())
	}
	p.mu.Unlock()
	for _, answer := range waiting {
		answer(got)
	}
}

// forget lets a page serve nobody else.
func (p *pages) forget(old *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.order, func(kept keptPage) bool { return kept.page == old }); i >= 0 {
		p.drop(p.order[i])
		p.order = slices.Delete(p.order, i, i+1)
	}
}

// expire forgets pages that are old or too much, oldest first.
func (p *pages) expire(now time.Time) {
	for len(p.order) > 0 && (p.bytes > pagesBytes || now.After(p.order[0].until)) {
		p.drop(p.order[0])
		p.order[0] = keptPage{} // lets it go
		p.order = p.order[1:]
	}
}

// drop takes a page out of all but order.
func (p *pages) drop(gone keptPage) {
	rest := slices.DeleteFunc(p.kept[gone.room], func(kept *page) bool { return kept == gone.page })
	if p.kept[gone.room] = rest; len(rest) == 0 {
		delete(p.kept, gone.room)
	}
	p.bytes -= gone.bytes
}
