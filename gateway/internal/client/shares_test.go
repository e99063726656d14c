package client

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

func TestSharesAreGivenInTheOrderOfTheLine(t *testing.T) {
	s := shares{free: 10}
	var have []int
	take := func(name, bytes int) { s.take(bytes, func() { have = append(have, name) }) }
	want := func(what string, names ...int) {
		t.Helper()
		if !slices.Equal(have, names) {
			t.Fatalf("%s: %v have a share, want %v", what, have, names)
		}
	}
	take(1, 6)
	take(2, 6)
	take(3, 1)
	want("the second waits, and so does a small one behind it", 1)
	s.give(1)
	want("not enough is free", 1)
	s.give(1)
	want("the second's turn", 1, 2)
	if !s.wanted() {
		t.Error("nobody waits, want the third")
	}
	s.give(-5) // the second needs more than it thought
	s.give(5)
	want("what is owed comes first", 1, 2)
	s.give(1)
	want("the third's turn", 1, 2, 3)
	if s.wanted() {
		t.Error("somebody waits, want nobody")
	}
}

// TestWhoGivesInItsTurnCallsNobodyFromWithin: a long line is no deep stack.
func TestWhoGivesInItsTurnCallsNobodyFromWithin(t *testing.T) {
	s := shares{free: 1}
	inside, most, turns := 0, 0, 0
	s.take(1, func() {})
	for range 10_000 {
		s.take(1, func() {
			inside++
			most = max(most, inside)
			turns++
			s.give(1)
			inside--
		})
	}
	s.give(1)
	if turns != 10_000 || most != 1 || s.free != 1 {
		t.Errorf("%d turns, %d of them in one another, %d free at the end; want 10000, 1, 1", turns, most, s.free)
	}
}

func TestSharesAreNeverMoreThanThereAre(t *testing.T) {
	const all = 1000
	s := shares{free: all}
	var mu sync.Mutex // guards used and most
	used, most := 0, 0
	note := func(bytes int) {
		mu.Lock()
		defer mu.Unlock()
		used += bytes
		most = max(most, used)
	}
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for range 2000 {
				bytes, have := 1+rnd.IntN(all), make(chan struct{})
				s.take(bytes, func() { close(have) })
				<-have
				note(bytes)
				note(-bytes)
				s.give(bytes)
			}
		})
	}
	wg.Wait()
	if most > all || s.free != all || s.wanted() {
		t.Errorf("at most %d of %d were had at once, %d are free at the end", most, all, s.free)
	}
}
