// Package told knows what others were told of who is here: the newest word on
// each user in each room, and in the mesh, as HUB_TOLD keeps it. Next compares
// it with the roster and says what must be told.
//
// Words are written by compare-and-set on the one before, so of several
// replicas one tells each change, and when none was there to tell it, the
// difference is found by whoever starts next. What clients are shown of a room
// comes from here too: it is then exactly what was told up to a position in one
// log, and the words above it are what comes after.
//
// It writes nothing, and has no clock. Read this file first, then next.go.
package told

import (
	"iter"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/ordered"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Stays is how long the word on one who has left is kept. Longer than NATS
// takes to store it and to be heard, so that who comes back at once is told of
// by compare-and-set on it; short, as it is of no other use.
const Stays = time.Minute

// View is what was told. Make one with New. It is not safe for concurrent use.
type View struct {
	users  ordered.List[word] // in the mesh
	rooms  map[string]*ordered.List[word]
	left   map[roster.Touch]word
	leaves []leave // in the order of the log, for forgetting
	epochs map[string]*string
}

// word is what was told last of a user, who is here unless it is in View.left.
type word struct {
	user  string
	seq   uint64  // in HUB_TOLD
	log   uint64  // of HUB_PRESENCE, which who told it knew up to there
	epoch *string // which HUB_PRESENCE; nil: one that is no more
	face  *roster.Face
}

// leave is a word on one who has left.
type leave struct {
	of  roster.Touch
	seq uint64
	at  time.Time
}

// New returns a view in which nobody was told of.
func New() *View {
	v := &View{users: words()}
	v.Reset()
	return v
}

func words() ordered.List[word] { return ordered.New(func(w word) string { return w.user }) }

// Reset forgets all, as when HUB_TOLD was made anew.
func (v *View) Reset() {
	*v = View{users: words(), rooms: map[string]*ordered.List[word]{}, left: map[roster.Touch]word{}, epochs: map[string]*string{}}
}

// Apply takes the word with sequence seq, stored at, on a user in a room; nil
// says that the word itself has gone. Words must come in the order of the log.
func (v *View) Apply(seq uint64, at time.Time, of roster.Touch, m *wire.PresenceTold) {
	v.forget(at)
	if m == nil {
		v.remove(of)
		return
	}
	w := word{user: of.User, seq: seq, log: m.Log, epoch: v.intern(m.Epoch)}
	if m.Change == wire.Left {
		v.remove(of)
		v.left[of] = w
		v.leaves = append(v.leaves, leave{of, seq, at})
		return
	}
	f := roster.Face{Status: m.Status, Text: m.Text, Data: string(m.Data), Info: string(m.Info)}
	w.face = v.share(of, f)
	delete(v.left, of)
	v.list(of).Put(w)
}

// share returns f, or what the mesh was told of the same user if it is equal:
// most users look the same everywhere.
func (v *View) share(of roster.Touch, f roster.Face) *roster.Face {
	if w, ok := v.users.Find(of.User); ok && *w.face == f {
		return w.face
	}
	return &f
}

func (v *View) intern(epoch string) *string {
	p, ok := v.epochs[epoch]
	if !ok {
		p = &epoch
		v.epochs[epoch] = p
	}
	return p
}

// list is where the words of those live who are in a room, or in the mesh.
func (v *View) list(of roster.Touch) *ordered.List[word] {
	if of.Room == "" {
		return &v.users
	}
	l := v.rooms[of.Room]
	if l == nil {
		empty := words()
		l = &empty
		v.rooms[of.Room] = l
	}
	return l
}

func (v *View) remove(of roster.Touch) {
	delete(v.left, of)
	if of.Room == "" {
		v.users.Delete(of.User)
		return
	}
	l := v.rooms[of.Room]
	if l == nil {
		return
	}
	l.Delete(of.User)
	if l.Len() == 0 {
		delete(v.rooms, of.Room)
	}
}

// forget drops the words on those who left so long ago that the log has
// dropped them, by the log's own time.
func (v *View) forget(now time.Time) {
	n := 0
	for ; n < len(v.leaves) && now.Sub(v.leaves[n].at) > Stays; n++ {
		if w, ok := v.left[v.leaves[n].of]; ok && w.seq == v.leaves[n].seq {
			delete(v.left, v.leaves[n].of)
		}
	}
	v.leaves = v.leaves[n:]
}

// find is the word on a user who is here.
func (v *View) find(of roster.Touch) (w word, ok bool) {
	if of.Room == "" {
		return v.users.Find(of.User)
	}
	l := v.rooms[of.Room]
	if l == nil {
		return word{}, false
	}
	return l.Find(of.User)
}

// Len is how many users are in a room.
func (v *View) Len(room string) int {
	if l := v.rooms[room]; l != nil {
		return l.Len()
	}
	return 0
}

// After is the users in a room whose names are above after, in order, as they
// were told to be. The view must not change meanwhile.
func (v *View) After(room, after string) iter.Seq2[string, roster.Face] {
	return func(yield func(string, roster.Face) bool) {
		l := v.rooms[room]
		if l == nil {
			return
		}
		for w := range l.After(after) {
			if !yield(w.user, *w.face) {
				return
			}
		}
	}
}

// Users is every user in every room, and in the mesh, in no order. The view
// must not change meanwhile.
func (v *View) Users() iter.Seq[roster.Touch] {
	return func(yield func(roster.Touch) bool) {
		for w := range v.users.After("") {
			if !yield(roster.Touch{User: w.user}) {
				return
			}
		}
		for room, l := range v.rooms {
			for w := range l.After("") {
				if !yield(roster.Touch{Room: room, User: w.user}) {
					return
				}
			}
		}
	}
}

// Size is how many words are known of users who are here.
func (v *View) Size() int {
	n := v.users.Len()
	for _, l := range v.rooms {
		n += l.Len()
	}
	return n
}
