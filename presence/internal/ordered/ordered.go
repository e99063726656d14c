// Package ordered keeps values in the order of their names, so that a large
// room can be read in pages while people come and go.
//
// It is a list of short lists: to insert moves at most one of them, and to find
// is two binary searches. A map would need an order for each page, a slice
// would move a million values for each that comes. It is not safe for
// concurrent use.
package ordered

import (
	"iter"
	"slices"
	"sort"
)

// most is how long one of the short lists may become before it is halved. To
// insert moves half of one on average, 2 KB of pointers; shorter ones make the
// list of them longer, which is moved at each halving.
const most = 512

// List is values of distinct names. Make one with New.
type List[V any] struct {
	name func(V) string
	runs [][]V // each ascending, none empty, and each below the next
	n    int
}

// New returns an empty list. A value's name must not change while it is in it.
func New[V any](name func(V) string) List[V] { return List[V]{name: name} }

// Len is how many values there are.
func (l *List[V]) Len() int { return l.n }

// run is the index of the run that a name belongs to; 0 where there is none.
func (l *List[V]) run(name string) int {
	i := sort.Search(len(l.runs), func(i int) bool { return l.name(l.runs[i][0]) > name })
	return max(i-1, 0)
}

// at is where in the list a name is, or would be inserted.
func (l *List[V]) at(name string) (run, i int, found bool) {
	if len(l.runs) == 0 {
		return 0, 0, false
	}
	run = l.run(name)
	i = sort.Search(len(l.runs[run]), func(i int) bool { return l.name(l.runs[run][i]) >= name })
	return run, i, i < len(l.runs[run]) && l.name(l.runs[run][i]) == name
}

// Find returns the value of a name.
func (l *List[V]) Find(name string) (v V, ok bool) {
	run, i, ok := l.at(name)
	if !ok {
		return v, false
	}
	return l.runs[run][i], true
}

// Put adds v, in place of the value of its name if there is one.
func (l *List[V]) Put(v V) {
	run, i, found := l.at(l.name(v))
	switch {
	case found:
		l.runs[run][i] = v
		return
	case len(l.runs) == 0:
		l.runs = append(l.runs, []V{v})
	default:
		l.runs[run] = slices.Insert(l.runs[run], i, v)
	}
	l.n++
	if r := l.runs[run]; len(r) > most {
		half := slices.Clone(r[most/2:])
		l.runs[run] = slices.Clip(slices.Delete(r, most/2, len(r)))
		l.runs = slices.Insert(l.runs, run+1, half)
	}
}

// Delete takes the value of a name out, if there is one.
func (l *List[V]) Delete(name string) {
	run, i, found := l.at(name)
	if !found {
		return
	}
	l.n--
	l.runs[run] = slices.Delete(l.runs[run], i, i+1)
	if len(l.runs[run]) == 0 {
		l.runs = slices.Delete(l.runs, run, run+1)
	}
}

// After is the values whose names are above name, in order; the empty name is
// below all. No name may come or go meanwhile.
func (l *List[V]) After(name string) iter.Seq[V] {
	return func(yield func(V) bool) {
		run, i, found := l.at(name)
		if found {
			i++
		}
		for ; run < len(l.runs); run, i = run+1, 0 {
			for ; i < len(l.runs[run]); i++ {
				if !yield(l.runs[run][i]) {
					return
				}
			}
		}
	}
}
