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
// It writes nothing, and has no clock. Read this file first, then next.go (one
// user) and differs.go (all of them).
package told

import (
	"iter"
	"strings"
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
	users  map[string]word // in the mesh
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
	v := new(View)
	v.Reset()
	return v
}

// Reset forgets all, as when HUB_TOLD was made anew.
func (v *View) Reset() {
	*v = View{users: map[string]word{}, rooms: map[string]*ordered.List[word]{}, left: map[roster.Touch]word{}, epochs: map[string]*string{}}
}

// Apply takes the word with sequence seq, stored at, on a user in a room; nil
// says that the word itself has gone. Words must come in the order of the log.
func (v *View) Apply(seq uint64, at time.Time, of roster.Touch, m *wire.PresenceTold) {
	v.forget(at)
	if m == nil {
		v.remove(of)
		return
	}
	w := word{seq: seq, log: m.Log, epoch: v.intern(m.Epoch)}
	if m.Change == wire.Left {
		of.User = strings.Clone(of.User)
		v.remove(of)
		v.left[of] = w
		v.leaves = append(v.leaves, leave{of, seq, at})
		return
	}
	w.user, w.face = v.share(of.User, m)
	delete(v.left, of)
	if of.Room == "" {
		v.users[w.user] = w
		return
	}
	v.list(of.Room).Put(w)
}

// share returns the name and the face of a word as they are kept: those of what
// the mesh was told of the same user, as most users look the same everywhere.
// What it was given may be a piece of a message, which must not be kept.
func (v *View) share(user string, m *wire.PresenceTold) (name string, face *roster.Face) {
	w, ok := v.users[user]
	if !ok {
		w.user = strings.Clone(user)
	}
	if ok && w.face.Status == m.Status && w.face.Text == m.Text && w.face.Data == string(m.Data) && w.face.Info == string(m.Info) {
		return w.user, w.face
	}
	return w.user, &roster.Face{Status: m.Status, Text: m.Text, Data: string(m.Data), Info: string(m.Info)}
}

func (v *View) intern(epoch string) *string {
	p, ok := v.epochs[epoch]
	if !ok {
		p = &epoch
		v.epochs[epoch] = p
	}
	return p
}

// list is where the words of those live who are in a room.
func (v *View) list(room string) *ordered.List[word] {
	l := v.rooms[room]
	if l == nil {
		empty := ordered.New(func(w word) string { return w.user })
		l = &empty
		v.rooms[room] = l
	}
	return l
}

func (v *View) remove(of roster.Touch) {
	delete(v.left, of)
	if of.Room == "" {
		delete(v.users, of.User)
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
		w, ok = v.users[of.User]
		return w, ok
	}
	l := v.rooms[of.Room]
	if l == nil {
		return word{}, false
	}
	return l.Find(of.User)
}

// Len is how many users are in a room, or with no room in the mesh.
func (v *View) Len(room string) int {
	if room == "" {
		return len(v.users)
	}
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

// Size is how many words are known of users who are here.
func (v *View) Size() int {
	n := len(v.users)
	for _, l := range v.rooms {
		n += l.Len()
	}
	return n
}
