// Package ledger remembers whom the latest changes of a log concern, so that
// who knows rights as of one entry can learn whose to ask for again at another.
//
// It does not know what a change is, or work out whom it concerns; it keeps
// what it is told, in bounds, and says when that is not enough. One Log goes
// with one stream: numbers are its sequences.
package ledger

import (
	"slices"
	"strings"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Bounds of what one Log keeps, and of one answer.
const (
	maxEntries = 10_000
	maxNames   = 100_000 // users, rooms and types in all entries
	maxTold    = 20_000  // likewise in an answer: half a megabyte of usual names
)

// Log is the latest changes. The zero Log knows nothing, and so Since reports
// that everyone must be asked for.
type Log struct {
	knows   bool
	after   uint64 // all changes above it are in entries
	upTo    uint64 // the last entry that was noted, of whatever it concerned
	entries []entry
	names   int
}

type entry struct {
	seq     uint64
	touched wire.Touched
}

// Begin says that every change above at will be noted from now on, and that it
// is not known what was before.
func (l *Log) Begin(at uint64) { *l = Log{knows: true, after: at, upTo: at} }

// Forget says that changes will be noted again only after another Begin: some
// cannot be told.
func (l *Log) Forget() { *l = Log{} }

// Knows reports whether changes are to be noted.
func (l *Log) Knows() bool { return l.knows }

// Note adds whom the change at seq concerns, which is nobody without touched.
// It does nothing while the Log is not Begun.
func (l *Log) Note(seq uint64, touched ...wire.Touched) {
	if !l.knows {
		return
	}
	l.upTo = seq
	for _, t := range touched {
		l.entries = append(l.entries, entry{seq, t})
		l.names += size(t)
	}
	for len(l.entries) > maxEntries || l.names > maxNames {
		l.after = l.entries[0].seq
		l.names -= size(l.entries[0].touched)
		l.entries = l.entries[1:]
	}
}

// Since is whom the changes above after concern. It reports false where that is
// not known.
func (l *Log) Since(after uint64) (touched []wire.Touched, known bool) {
	if !l.knows || after < l.after || after > l.upTo {
		return nil, false
	}
	from, _ := slices.BinarySearchFunc(l.entries, after+1, func(e entry, seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	for _, e := range l.entries[from:] {
		touched = append(touched, e.touched)
	}
	return touched, true
}

func size(t wire.Touched) int { return len(t.Users) + len(t.Rooms) + len(t.Types) }

// Merge makes one list of those that name the same rooms, as the changes of a
// team's members do, and names no rooms where there would be too many. It
// reports false when there still are.
func Merge(all []wire.Touched) (merged []wire.Touched, few bool) {
	merged = byRooms(all)
	if total(merged) <= maxTold {
		return merged, true
	}
	for i, t := range all {
		if len(t.Users) > 0 {
			all[i].Rooms, all[i].Types = nil, nil
		}
	}
	merged = byRooms(all)
	return merged, total(merged) <= maxTold
}

func byRooms(all []wire.Touched) (merged []wire.Touched) {
	at := map[string]int{}
	for _, t := range all {
		everyone := "some"
		if len(t.Users) == 0 { // every user: no others can be added
			everyone = "all"
		}
		// No name of a room or a type holds a control character.
		where := strings.Join([]string{everyone, strings.Join(t.Types, "\x01"), strings.Join(t.Rooms, "\x01")}, "\x00")
		i, ok := at[where]
		if !ok {
			at[where] = len(merged)
			t.Users = slices.Clone(t.Users)
			merged = append(merged, t)
			continue
		}
		merged[i].Users = append(merged[i].Users, t.Users...)
	}
	for i := range merged {
		slices.Sort(merged[i].Users)
		merged[i].Users = slices.Compact(merged[i].Users)
	}
	return merged
}

func total(all []wire.Touched) (n int) {
	for _, t := range all {
		n += size(t)
	}
	return n
}
