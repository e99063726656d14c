package natsconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrSilent is the answer to a question that nobody answered in time.
var ErrSilent = errors.New("natsconn: no answer in time")

// sweep is how often questions past their time are looked for, and so how much
// later than its time an answer of silence can come.
const sweep = 50 * time.Millisecond

// Asker asks many questions at once over one subscription, with neither a
// goroutine nor a timer for each. Answers come by a callback. Safe for
// concurrent use.
type Asker struct {
	nc    *nats.Conn
	inbox string // and a number: where one answer goes
	sub   *nats.Subscription

	mu   sync.Mutex // guards all below; no callback is called while it is held
	last uint64
	open map[uint64]question
	shut bool
}

type question struct {
	answer func(*nats.Msg, error)
	until  time.Time
}

// NewAsker subscribes to its answers. They come while Serve runs, and those of
// silence only then.
func NewAsker(nc *nats.Conn) (*Asker, error) {
	a := &Asker{nc: nc, inbox: nc.NewInbox() + ".", open: map[uint64]question{}}
	sub, err := nc.Subscribe(a.inbox+"*", a.hear)
	if err != nil {
		return nil, fmt.Errorf("natsconn: hear answers: %w", err)
	}
	a.sub = sub
	return a, nil
}

// Ask sends m to m.Subject and calls answer once: with the answer, with
// nats.ErrNoResponders when nobody listens there, with ErrSilent after wait,
// or with why it could not be sent. answer is called on the goroutine that
// hears, or on the caller's own when sending failed; it must not block.
func (a *Asker) Ask(m *nats.Msg, wait time.Duration, answer func(*nats.Msg, error)) {
	a.mu.Lock()
	if a.shut {
		a.mu.Unlock()
		answer(nil, nats.ErrConnectionClosed)
		return
	}
	a.last++
	n := a.last
	a.open[n] = question{answer: answer, until: time.Now().Add(wait)}
	a.mu.Unlock()

	m.Reply = a.inbox + strconv.FormatUint(n, 36)
	if err := a.nc.PublishMsg(m); err != nil {
		if q, ok := a.take(n); ok {
			q.answer(nil, fmt.Errorf("natsconn: ask %s: %w", m.Subject, err))
		}
	}
}

func (a *Asker) take(n uint64) (q question, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q, ok = a.open[n]
	delete(a.open, n)
	return q, ok
}

func (a *Asker) hear(m *nats.Msg) {
	n, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, a.inbox), 36, 64)
	if err != nil {
		return
	}
	q, ok := a.take(n)
	if !ok {
		return // it came after its time
	}
	// NATS answers for a subject without listeners with this status and no body.
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		q.answer(nil, nats.ErrNoResponders)
		return
	}
	q.answer(m, nil)
}

// Serve answers with silence what has waited for too long, until ctx ends;
// then it answers everything still open with nats.ErrConnectionClosed and
// hears no more.
func (a *Asker) Serve(ctx context.Context) error {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, q := range a.late(now) {
				q.answer(nil, ErrSilent)
			}
		case <-ctx.Done():
			for _, q := range a.close() {
				q.answer(nil, nats.ErrConnectionClosed)
			}
			if err := a.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				return fmt.Errorf("natsconn: end of answers: %w", err)
			}
			return nil
		}
	}
}

func (a *Asker) late(now time.Time) (late []question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, q := range a.open {
		if now.After(q.until) {
			late = append(late, q)
			delete(a.open, n)
		}
	}
	return late
}

func (a *Asker) close() (open []question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shut = true
	for n, q := range a.open {
		open = append(open, q)
		delete(a.open, n)
	}
	return open
}
