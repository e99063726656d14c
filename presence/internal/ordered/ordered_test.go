package ordered_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/hubmesh/hubmesh/presence/internal/ordered"
)

type value struct {
	name string
	n    int
}

func list() ordered.List[value] { return ordered.New(func(v value) string { return v.name }) }

func TestItIsASortedMap(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l, want := list(), map[string]int{}
		for step := range 4000 {
			name := strconv.Itoa(rnd.IntN(3000))
			if rnd.IntN(3) == 0 {
				l.Delete(name)
				delete(want, name)
			} else {
				l.Put(value{name, step})
				want[name] = step
			}
		}
		from := strconv.Itoa(rnd.IntN(3000))
		var names []string
		for v := range l.After(from) {
			if v.n != want[v.name] {
				t.Errorf("seed %d: %s is %d, want %d", seed, v.name, v.n, want[v.name])
			}
			names = append(names, v.name)
		}
		above := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(s string) bool { return s <= from })
		if !slices.Equal(names, above) {
			t.Errorf("seed %d: %d names after %s, want %d", seed, len(names), from, len(above))
		}
		if l.Len() != len(want) {
			t.Errorf("seed %d: Len = %d, want %d", seed, l.Len(), len(want))
		}
		for name := range 3000 {
			v, ok := l.Find(strconv.Itoa(name))
			if n, has := want[strconv.Itoa(name)]; ok != has || v.n != n {
				t.Errorf("seed %d: Find(%d) = %v, %v; want %d, %v", seed, name, v, ok, n, has)
			}
		}
	}
}

func ExampleList() {
	l := list()
	for _, name := range []string{"bob", "dan", "ann", "eve"} {
		l.Put(value{name: name})
	}
	l.Delete("dan")
	for v := range l.After("ann") {
		fmt.Println(v.name)
	}
	// Output:
	// bob
	// eve
}

// A page of 200 in a room of a million, while one comes and one goes.
func BenchmarkPageOfAMillion(b *testing.B) {
	l := list()
	for i := range 1_000_000 {
		l.Put(value{name: fmt.Sprintf("user-%07d", i)})
	}
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("user-%07d", i*7919%1_000_000)
		l.Delete(name)
		l.Put(value{name: name})
		n := 0
		for range l.After(name) {
			if n++; n == 200 {
				break
			}
		}
	}
}
