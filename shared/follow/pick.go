package follow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// ErrGone is what Pick wraps when the stream does not hold an entry.
var ErrGone = errors.New("the entry is gone")

// Pick returns the entries at seqs, in their order: a beginning of them, which
// ends with the one by which it holds so many bytes of data or more. It is for
// entries that lie far apart; where they do not, Read is faster.
//
// The error wraps ErrGone when one of them is not in the stream any more, as
// its leader says. That the stream is still the same one is for the caller to
// find out afterwards, by State.
func (r *Reader) Pick(ctx context.Context, seqs []uint64, bytes int) ([]Entry, error) {
	p := pick{Reader: r, seqs: seqs, most: bytes, got: make([]Entry, len(seqs)), inbox: r.nc.NewInbox() + "."}
	answers := make(chan *nats.Msg, pickMost)
	sub, err := r.nc.ChanSubscribe(p.inbox+"*", answers)
	if err != nil {
		return nil, fmt.Errorf("follow: hear answers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
	silence := time.NewTimer(r.wait)
	defer silence.Stop()
	for p.whole < len(seqs) && p.bytes < p.most {
		if err := p.ask(); err != nil {
			return nil, err
		}
		select {
		case m := <-answers:
			err = p.take(ctx, m)
			silence.Reset(r.wait)
		case <-silence.C:
			err = errNothing
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("follow: pick from %s: %w", r.stream, err)
		}
	}
	return p.got[:p.whole], nil
}

const (
	pickFirst = 8  // entries that are asked for at once, while their size is not known
	pickMost  = 64 // and at the most
)

// pick is a Pick under way.
type pick struct {
	*Reader
	seqs  []uint64
	got   []Entry // by place in seqs; the zero Entry has not come yet
	inbox string  // and a place: where the answer comes
	most  int     // bytes of data, after which it is enough

	asked   int // entries that were asked for
	came    int // entries that came
	whole   int // entries that came without one missing before
	bytes   int // of data in those
	largest int // bytes of the largest that came
}

// ask asks for as many entries at once as are no more than a page, if they are
// like those that came.
func (p *pick) ask() error {
	window := pickFirst
	if p.came > 0 {
		window = min(pickMost, 1+mostBytes/(p.largest+1))
	}
	for ; p.asked < len(p.seqs) && p.asked-p.came < window; p.asked++ {
		question := fmt.Appendf(nil, `{"seq":%d}`, p.seqs[p.asked])
		if err := p.nc.PublishRequest(subject.DirectGet(p.stream), p.inbox+strconv.Itoa(p.asked), question); err != nil {
			return fmt.Errorf("follow: ask %s: %w", p.stream, err)
		}
	}
	return nil
}

// take takes an answer. Any that is not the entry, because it says that there
// is none or cannot be read, is asked of the leader.
func (p *pick) take(ctx context.Context, m *nats.Msg) error {
	place, ok := p.place(m)
	if !ok {
		return nil
	}
	e, ok := copyOf(m, p.stream)
	if !ok || e.Seq != p.seqs[place] {
		var err error
		if e, ok, err = p.next(ctx, "", p.seqs[place]); err != nil {
			return err
		}
		if !ok || e.Seq != p.seqs[place] {
			return ErrGone
		}
	}
	p.got[place] = e
	p.came++
	p.largest = max(p.largest, len(e.Data))
	for ; p.whole < p.asked && p.got[p.whole].Seq != 0 && p.bytes < p.most; p.whole++ {
		p.bytes += len(p.got[p.whole].Data)
	}
	return nil
}

// place is which of seqs an answer is of. It reports false for what is no
// answer to a question that is open.
func (p *pick) place(m *nats.Msg) (place int, ok bool) {
	place, err := strconv.Atoi(strings.TrimPrefix(m.Subject, p.inbox))
	return place, err == nil && place >= 0 && place < p.asked && p.got[place].Seq == 0
}
