package rights

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// maxKept bounds the decisions that are kept, one a user, claims and room.
// Beyond it all are forgotten: what is asked for often is soon there again.
const maxKept = 1 << 16

// Desk is where connections ask what users may do in rooms. An authz that says
// whom changes touch is asked the same only once at a time, and its decisions
// are kept until a change touches them; one that does not say it may decide by
// what only it knows, so it is asked for each connection each time. Safe for
// concurrent use.
type Desk struct {
	asks  *ask.Asker
	gate  *Gate
	meter *meter.Meter
	seed  maphash.Seed
	queue *queue

	mu      sync.Mutex // guards all below; nobody is asked and no answer called while it is held
	follows bool       // authz says whom changes touch
	atLeast wire.Marks
	changes uint64 // that were noted
	kept    map[asker]map[string]wire.RoomRights
	size    int // of kept, in rooms
	flights map[flight]*waiting
}

// asker is who asks: a user, and a hash of what the token says.
type asker struct {
	user   string
	claims uint64
}

// flight is a question under way.
type flight struct {
	asker
	rooms string
}

// waiting is those who wait for a flight's answer.
type waiting struct {
	changes uint64 // when it was asked
	answers []Answer
}

// Answer is called once, with rights by the room's name, which are not to be
// changed, or with a problem. It must not block.
type Answer func(map[string]wire.RoomRights, frame.Problem)

// NewDesk returns a desk that asks through asks. Decisions are taken from
// memory only while gate is open.
func NewDesk(cfg Config, asks *ask.Asker, gate *Gate, m *meter.Meter) *Desk {
	d := &Desk{asks: asks, gate: gate, meter: m, seed: maphash.MakeSeed()}
	d.queue = newQueue(cfg.withDefaults(), asks)
	d.forget()
	return d
}

// Serve carries out what Again is asked, until ctx ends.
func (d *Desk) Serve(ctx context.Context) error { return d.queue.serve(ctx) }

// Join asks what a user may do in rooms. The answer is no older than the last
// change that was noted before. It may come before Join returns.
func (d *Desk) Join(q wire.JoinAsk, answer Answer) {
	d.mu.Lock()
	q.AtLeast = d.marks()
	if !d.follows {
		d.mu.Unlock()
		d.meter.Decided(meter.OfOne)
		d.asks.Join(q, answer)
		return
	}
	who := asker{q.User, d.fingerprint(q.Claims)}
	if rooms, ok := d.known(who, q.Rooms); ok {
		d.mu.Unlock()
		d.meter.Decided(meter.Kept)
		answer(rooms, frame.Problem{})
		return
	}
	f := flight{who, strings.Join(q.Rooms, "\n")} // no room has that in its name
	if w := d.flights[f]; w != nil {
		w.answers = append(w.answers, answer)
		d.mu.Unlock()
		d.meter.Decided(meter.Shared)
		return
	}
	w := &waiting{changes: d.changes, answers: []Answer{answer}}
	d.flights[f] = w
	d.mu.Unlock()
	d.meter.Decided(meter.OfOne)
	d.asks.Join(q, func(rooms map[string]wire.RoomRights, p frame.Problem) { d.landed(f, w, rooms, p) })
}

// marks is what an answer must be made of, nil for anything. It is called
// under the lock.
func (d *Desk) marks() *wire.Marks {
	if d.atLeast == (wire.Marks{}) {
		return nil
	}
	marks := d.atLeast
	return &marks
}

// fingerprint tells claims apart. The seed is this process's own, so that
// nobody can look for two that meet.
func (d *Desk) fingerprint(claims map[string]json.RawMessage) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		maphash.WriteComparable(&h, len(name))
		_, _ = h.WriteString(name)
		maphash.WriteComparable(&h, len(claims[name]))
		_, _ = h.Write(claims[name])
	}
	return h.Sum64()
}

// known returns decisions that are kept, if all are. It is called under the
// lock.
func (d *Desk) known(who asker, rooms []string) (map[string]wire.RoomRights, bool) {
	kept := d.kept[who]
	if len(kept) < len(rooms) || !d.gate.Open() {
		return nil, false
	}
	answer := make(map[string]wire.RoomRights, len(rooms))
	for _, name := range rooms {
		r, ok := kept[name]
		if !ok {
			return nil, false
		}
		answer[name] = r
	}
	return answer, true
}

// landed hands an answer to all who wait for it, and keeps it if nothing has
// changed since it was asked for.
func (d *Desk) landed(f flight, w *waiting, rooms map[string]wire.RoomRights, p frame.Problem) {
	d.mu.Lock()
	if d.flights[f] == w {
		delete(d.flights, f)
	}
	if !p.Is() && w.changes == d.changes && d.follows {
		d.keep(f.asker, rooms)
	}
	answers := w.answers
	d.mu.Unlock()
	for _, answer := range answers {
		answer(rooms, p)
	}
}

func (d *Desk) keep(who asker, rooms map[string]wire.RoomRights) {
	if d.size+len(rooms) > maxKept {
		d.forget()
	}
	kept := d.kept[who]
	if kept == nil {
		kept = make(map[string]wire.RoomRights, len(rooms))
		d.kept[who] = kept
	}
	before := len(kept)
	maps.Copy(kept, rooms)
	d.size += len(kept) - before
}

// forget drops all decisions. Questions under way are answered to those who
// wait for them already, and to nobody who comes later.
func (d *Desk) forget() {
	d.kept, d.size, d.flights = map[asker]map[string]wire.RoomRights{}, 0, map[flight]*waiting{}
}

// note takes note of a change: from its return on no answer is older than it.
// follows says that authz will tell of the next one too.
func (d *Desk) note(c Change, atLeast wire.Marks, follows bool) {
	if follows {
		d.queue.many()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	d.atLeast, d.follows = atLeast, follows
	users, rooms, named := c.Named()
	if !named || len(rooms) > 0 || !follows {
		d.forget()
		return
	}
	d.flights = map[flight]*waiting{}
	for who, kept := range d.kept {
		if users[who.user] {
			delete(d.kept, who)
			d.size -= len(kept)
		}
	}
}

// Again asks the same for a connection whose rights may have changed, together
// with others, and repeats it while authz is silent, for Config.Wait at most.
func (d *Desk) Again(q wire.JoinAsk, answer Answer) {
	d.mu.Lock()
	q.AtLeast = d.marks()
	d.mu.Unlock()
	d.queue.add(q, answer)
}
