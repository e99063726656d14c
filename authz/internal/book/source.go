package book

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/ledger"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// reader is what one bucket means.
type reader interface {
	// read reads a record without the book's lock. first says that the bucket
	// is being read from its begin. The change it returns is carried out with
	// the lock held, and tells whom it concerns; nil: there is none.
	read(key string, value []byte, gone, first bool) change

	// forget empties the book of the bucket. It is called with the lock held.
	forget()
}

// change carries out what a record says. noted says whether it must tell whom
// it concerns.
type change func(noted bool) []wire.Touched

// source follows one bucket into the book.
//
// It is no kv.Mirror, for three things. A bucket of 200,000 facts would be in
// memory twice. Every record counts, not only those that change something: a
// replica that has read back a hole knows the newest record of a key only, and
// another may have answered by an older one in between. And where such records
// are missing, it is not known whom they concerned: until the log is read as
// far as it reached when that was noticed (mend), everyone must be asked for.
type source struct {
	book     *Book
	bucket   string
	prefix   string // of a key's subject
	reader   reader
	follower *follow.Follower
	torn     chan struct{} // holds one: mend has something to do

	// What follows is guarded by the book's lock.
	at     uint64 // the last sequence that was read
	anew   bool   // the bucket is read from its begin again
	tears  int    // how often the ledger was torn
	ledger ledger.Log

	first bool // Listen has not returned; of the follower's goroutine
}

func newSource(b *Book, bucket string, r reader) *source {
	s := &source{book: b, bucket: bucket, prefix: b.tree.Key(bucket, ""), reader: r, torn: make(chan struct{}, 1), first: true}
	s.torn <- struct{}{} // nothing is known of the time before Listen
	return s
}

func (s *source) listen(ctx context.Context, nc *nats.Conn, cfg follow.Config) (err error) {
	cfg.Stream, cfg.Heard, cfg.FromStart = s.book.tree.BucketStream(s.bucket), s.book.tree.Heard(s.bucket, ">"), true
	s.follower, err = follow.Listen(ctx, nc, cfg, handler{s}, s.book.log)
	s.first = false
	return err
}

// Serve follows the bucket, and mends what is torn, until ctx ends.
func (s *source) Serve(ctx context.Context) error {
	return life.Run(ctx, s.follower, life.Func(s.mend))
}

// handler keeps the methods that follow calls out of source's.
type handler struct{ *source }

func (h handler) Entry(e follow.Entry) {
	s, b := h.source, h.book
	var do change
	if key, ok := strings.CutPrefix(e.Subject, s.prefix); ok {
		b.mu.RLock()
		first := s.first || s.anew
		b.mu.RUnlock()
		do = s.reader.read(key, e.Data, kv.Gone(e.Header), first)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.at = e.Seq
	var touched []wire.Touched
	if do != nil {
		touched = do(s.ledger.Knows())
	}
	s.ledger.Note(e.Seq, touched...)
	b.move()
}

// Gone changes nothing in the book: what can no longer be read was written over
// by what can. But whom it concerned is not known.
func (h handler) Gone(_, to uint64) {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.at = to
	h.tear()
	h.book.move()
}

func (h handler) Reset(_ string, last uint64, why follow.Why) {
	h.book.log.Warn("book: bucket is read anew", obs.Bucket, h.book.tree.Bucket(h.bucket), "why", string(why))
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.at, h.anew = last, true
	h.reader.forget()
	h.tear()
	h.book.move()
}

func (h handler) Page(context.Context) {}

// since is whom the changes above after concern. It is called with the book's
// lock held.
func (s *source) since(after uint64) (touched []wire.Touched, known bool) {
	if after == s.at {
		return nil, true // also while nothing else is known
	}
	return s.ledger.Since(after)
}

// tear is called with the book's lock held.
func (s *source) tear() {
	s.tears++
	s.ledger.Forget()
	select {
	case s.torn <- struct{}{}:
	default: // mend will see it
	}
}

// mendAgain is the pause after the bucket's leader did not say how far it is.
const mendAgain = 200 * time.Millisecond

// mend ends what a tear began. Whatever was overwritten by the time of the tear
// was so by an entry that is in the log now: when we have read as far as it
// reaches, we are where everybody is.
func (s *source) mend(ctx context.Context) error {
	for {
		select {
		case <-s.torn:
		case <-ctx.Done():
			return nil
		}
		for !s.mended(ctx) {
			select {
			case <-time.After(mendAgain):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func (s *source) mended(ctx context.Context) bool {
	b := s.book
	b.mu.RLock()
	tears := s.tears
	b.mu.RUnlock()
	last, err := s.follower.Last(ctx)
	if err != nil || b.until(ctx, func() bool { return s.at >= last || s.tears != tears }) != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.tears != tears {
		return false
	}
	s.ledger.Begin(s.at)
	s.anew = false
	b.move()
	return true
}
