package room

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// Member is one connection as rooms see it. Its fields are set before it is
// added and not changed after.
type Member struct {
	ID      string
	Profile door.Profile
	Outbox  *Outbox

	in map[string]struct{} // room keys; guarded by Rooms.mu
}

// Rooms is all members of one gateway and the rooms they are in. Safe for
// concurrent use.
type Rooms struct {
	frame Frame

	mu      sync.Mutex                    // guards all below; held while a line is put into outboxes, never over a write
	rooms   map[string]map[*Member]uint64 // a member hears what is after its number
	members map[string]*Member            // by connection id
	tail    *tail
	at      frame.Position // all members of a room have been offered its events up to here
}

// New returns no rooms. frame puts what a door spells into the transport's
// framing.
func New(framing Frame) *Rooms {
	return &Rooms{frame: framing, rooms: map[string]map[*Member]uint64{}, members: map[string]*Member{}, tail: newTail(0)}
}

// Add makes a connection known by its id and puts it into rooms, as Enter
// does: what say returns is the first that it hears.
func (r *Rooms) Add(m *Member, keys []string, say func(frame.Position) []*Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.in = map[string]struct{}{}
	r.members[m.ID] = m
	r.enterAll(m, keys, say)
}

// Remove takes a connection out of everything, if it was ever added.
func (r *Rooms) Remove(m *Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range m.in {
		r.leave(m, key)
	}
	delete(r.members, m.ID)
}

// Len is how many connections there are.
func (r *Rooms) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.members)
}

// Enter puts m into rooms and tells it what say makes of the position: from
// that line on it hears their events, all after the position and none up to
// it. It may be in some or all of them already. say runs under the lock, since
// the position is true only there: it must spell and do nothing else; it may
// return nil.
func (r *Rooms) Enter(m *Member, keys []string, say func(frame.Position) []*Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.ID] != m {
		return // it has ended meanwhile
	}
	r.enterAll(m, keys, say)
}

func (r *Rooms) enterAll(m *Member, keys []string, say func(frame.Position) []*Line) {
	for _, key := range keys {
		r.enter(m, key, r.rooms[key][m]) // what it has already it does not hear again
	}
	for _, l := range say(r.at) {
		m.Outbox.Offer(l)
	}
}

func (r *Rooms) enter(m *Member, key string, floor uint64) {
	if r.rooms[key] == nil {
		r.rooms[key] = map[*Member]uint64{}
	}
	r.rooms[key][m] = floor
	m.in[key] = struct{}{}
}

// Leave takes m out of rooms; from its return on it is offered nothing of
// theirs.
func (r *Rooms) Leave(m *Member, keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		r.leave(m, key)
	}
}

// Expel takes m out of a room and offers it last, in one step: of the room m
// hears nothing after it.
func (r *Rooms) Expel(m *Member, key string, last []*Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leave(m, key)
	for _, l := range last {
		m.Outbox.Offer(l)
	}
}

// Members is the ids of those who are in a room.
func (r *Rooms) Members(key string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(r.rooms[key]))
	for m := range r.rooms[key] {
		ids = append(ids, m.ID)
	}
	return ids
}

func (r *Rooms) leave(m *Member, key string) {
	delete(m.in, key)
	delete(r.rooms[key], m)
	if len(r.rooms[key]) == 0 {
		delete(r.rooms, key)
	}
}

// Keys is every room that someone is in.
func (r *Rooms) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]string, 0, len(r.rooms))
	for key := range r.rooms {
		keys = append(keys, key)
	}
	return keys
}

// Tell offers a signal to all in the room, and returns how many took it.
func (r *Rooms) Tell(key string, read Read) (told int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tell(&Entry{Key: key, read: read})
}

// Log takes the log's next entry: the position moves to it, it is kept for who
// comes back, and all in its room are offered it. It returns how many took it.
func (r *Rooms) Log(e *Entry) (told int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Offset = e.Offset
	r.tail.add(e)
	return r.tell(e)
}

func (r *Rooms) tell(e *Entry) (told int) {
	members := r.rooms[e.Key]
	if len(members) == 0 || !e.is() {
		return 0
	}
	for m, floor := range members {
		if m.ID == e.except || e.Offset != 0 && e.Offset <= floor {
			continue
		}
		if m.Outbox.Offer(e.line(m.Profile, r.frame)) {
			told++
		}
	}
	return told
}

// TellOne offers an event to one connection, and reports false when there is
// none of that id or it takes nothing more. Unlike a signal it is not thrown
// out.
func (r *Rooms) TellOne(id string, e frame.Event) (queued bool) {
	r.mu.Lock()
	m := r.members[id]
	r.mu.Unlock()
	return m != nil && m.Outbox.Offer(&Line{Wire: r.frame(m.Profile.Spell(e))})
}

// Move sets the position to a place in another log.
func (r *Rooms) Move(at frame.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = at
	r.tail = newTail(at.Offset)
}

func (r *Rooms) list() (all []*Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		all = append(all, m)
	}
	return all
}

// Skip moves the position over what nobody here will hear any more, or to
// another log, and ends the connections of those who may have missed something
// of it: all members of rooms that are not known to be whole. Each hears what
// waits for it and then last's event, made for the n-th of so many. It is one
// step, so that nobody enters between: who is in a room that is not known is
// ended, and who enters later enters at the new position.
func (r *Rooms) Skip(to frame.Position, whole map[string]bool, last func(n, of int) frame.Event, end frame.End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[*Member]struct{}{}
	for key, members := range r.rooms {
		if whole[key] {
			continue
		}
		for m := range members {
			out[m] = struct{}{}
		}
	}
	n := 0
	for m := range out {
		m.Outbox.Offer(&Line{Wire: r.frame(m.Profile.Spell(last(n, len(out))))})
		m.Outbox.Finish(end)
		n++
	}
	r.at, r.tail = to, newTail(to.Offset)
}

// Settle waits until no member has more than half waiting of what may wait for
// it, for wait at most, so that a flood of old events, read at the pace of the
// log, does not make healthy clients look slow. A member that was waited for in
// vain is not waited for again before it has caught up: stuck clients delay the
// others once.
func (r *Rooms) Settle(ctx context.Context, wait time.Duration) {
	full := slices.DeleteFunc(r.list(), func(m *Member) bool { return !m.Outbox.patience() })
	if len(full) == 0 {
		return
	}
	var left atomic.Int64
	left.Store(int64(len(full)))
	settled := make(chan struct{})
	for _, m := range full {
		m.Outbox.WhenRelieved(false, func() {
			if left.Add(-1) == 0 {
				close(settled)
			}
		})
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-settled:
	case <-late.C:
		for _, m := range full {
			m.Outbox.giveUp()
		}
	case <-ctx.Done():
	}
}
