package rights

import (
	"context"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Bounds of one question for many, so that its answer, which is about 250 bytes
// a room, fits into a message of NATS (1 MB unless set otherwise).
const (
	maxAsks  = 500
	maxRooms = 1000
)

// Questions under way at once. Those for many are few, as each is work for
// milliseconds; those to an authz that takes no such questions are gentle.
const (
	manyAtOnce = 4
	oneAtOnce  = 16
)

// queue asks again for members, in batches of whatever has piled up.
type queue struct {
	asks  *ask.Asker
	wait  time.Duration // after which a question is given up
	pause time.Duration // after an answer that is none
	wake  chan struct{}

	mu     sync.Mutex // guards all below
	line   []recheck
	flying int
	single bool      // authz takes no question for many
	rest   time.Time // nothing is asked before
}

// recheck is one member's question.
type recheck struct {
	ask    wire.JoinAsk
	answer Answer
	until  time.Time
}

func newQueue(cfg Config, asks *ask.Asker) *queue {
	return &queue{asks: asks, wait: cfg.Wait, pause: cfg.Pause, wake: make(chan struct{}, 1)}
}

func (q *queue) add(ask wire.JoinAsk, answer Answer) {
	q.mu.Lock()
	q.line = append(q.line, recheck{ask, answer, time.Now().Add(q.wait)})
	q.mu.Unlock()
	q.rouse()
}

// many notes that authz takes questions for many.
func (q *queue) many() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.single = false
}

func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// serve asks until ctx ends; what waits then is not answered, since all
// connections end too.
func (q *queue) serve(ctx context.Context) error {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		case <-rest.C:
		}
		for {
			batch, single := q.take(time.Now())
			if len(batch) == 0 {
				break
			}
			q.ask(batch, single)
		}
		if wait := q.resting(time.Now()); wait > 0 {
			rest.Reset(wait)
		}
	}
}

// resting is how long nothing is asked though something waits.
func (q *queue) resting(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 {
		return 0
	}
	return q.rest.Sub(now)
}

// take returns what is asked next, if it may be now.
func (q *queue) take(now time.Time) (batch []recheck, single bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	most, rooms := manyAtOnce, 0
	if q.single {
		most = oneAtOnce
	}
	if now.Before(q.rest) || q.flying >= most {
		return nil, false
	}
	for _, r := range q.line {
		if rooms += len(r.ask.Rooms); len(batch) > 0 && (rooms > maxRooms || len(batch) == maxAsks || q.single) {
			break
		}
		batch = append(batch, r)
	}
	if len(batch) == 0 {
		return nil, false
	}
	clear(q.line[:len(batch)]) // lets the questions go
	q.line = q.line[len(batch):]
	q.flying++
	return batch, q.single
}

func (q *queue) ask(batch []recheck, single bool) {
	if single {
		q.asks.Join(batch[0].ask, func(rooms map[string]wire.RoomRights, p frame.Problem) {
			q.landed(batch, []wire.JoinAnswer{{Rooms: rooms}}, p)
		})
		return
	}
	many := wire.JoinsAsk{Asks: make([]wire.JoinAsk, len(batch))}
	for i, r := range batch {
		if r.ask.AtLeast != nil {
			many.AtLeast.Policy = max(many.AtLeast.Policy, r.ask.AtLeast.Policy)
			many.AtLeast.Relations = max(many.AtLeast.Relations, r.ask.AtLeast.Relations)
		}
		many.Asks[i] = r.ask
		many.Asks[i].AtLeast = nil
	}
	q.asks.Joins(many, func(answers []wire.JoinAnswer, p frame.Problem) { q.landed(batch, answers, p) })
}

// landed hands out answers, or puts the questions back into the line while
// there is time.
func (q *queue) landed(batch []recheck, answers []wire.JoinAnswer, p frame.Problem) {
	now := time.Now()
	var late []recheck
	q.mu.Lock()
	q.flying--
	if p.Is() {
		if q.single = p.Code == wire.NoHandler; !q.single {
			q.rest = now.Add(q.pause)
		}
		for _, r := range batch {
			if now.After(r.until) && !q.single { // else it was not asked yet in the way that it can be
				late = append(late, r)
				continue
			}
			q.line = append(q.line, r)
		}
	}
	q.mu.Unlock()
	q.rouse()
	for _, r := range late {
		r.answer(nil, p)
	}
	if p.Is() {
		return
	}
	for i, a := range answers {
		batch[i].answer(a.Rooms, frame.Problem{})
	}
}
