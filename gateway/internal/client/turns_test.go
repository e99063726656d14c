package client

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func newTurns() *turns {
	t := &turns{}
	t.init()
	return t
}

func TestOneThingHappensAtATime(t *testing.T) {
	const goroutines, times = 8, 500
	turns := newTurns()
	var (
		happening, happened int // only turns guard these: the race detector looks on
		last                [2 * goroutines]int
		wg                  sync.WaitGroup
	)
	happen := func(who, i int) {
		happening++
		if happening != 1 {
			t.Errorf("%d things happen at a time", happening)
		}
		if last[who] != i {
			t.Errorf("thing %d of %d comes after %d", i, who, last[who])
		}
		last[who] = i + 1
		happened++
		happening--
	}
	for who := range goroutines {
		wg.Go(func() {
			for i := range times {
				turns.do(func() { happen(who, i) })
			}
		})
		wg.Go(func() {
			for i := range times {
				turns.post(func() { happen(goroutines+who, i) })
			}
		})
	}
	wg.Wait()
	turns.do(func() {
		if want := 2 * goroutines * times; happened != want {
			t.Errorf("%d things have happened, want %d", happened, want)
		}
	})
}

func TestWhatIsPostedInATurnComesRightAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, release := newTurns(), make(chan struct{})
		var order []string
		go turns.do(func() {
			turns.post(func() { order = append(order, "an answer at once") })
			<-release
			order = append(order, "first")
		})
		synctest.Wait()
		go turns.do(func() { order = append(order, "second") })
		synctest.Wait()
		turns.post(func() { // does not wait, or nobody would ever release
			turns.post(func() { order = append(order, "an answer to an answer") })
			order = append(order, "an answer")
		})
		close(release)
		synctest.Wait()
		if want := []string{"first", "an answer at once", "an answer", "an answer to an answer", "second"}; !slices.Equal(order, want) {
			t.Errorf("it came in the order %q, want %q", order, want)
		}
	})
}

func TestWhatIsPostedWhenNothingHappensHappensAtOnce(t *testing.T) {
	turns, happened := newTurns(), false
	turns.post(func() { happened = true })
	if !happened {
		t.Error("post returned before what was posted had happened, and nobody was at work")
	}
}

func TestEachOfThoseWhoWaitGetsATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 20
		turns, release, happened := newTurns(), make(chan struct{}), 0
		go turns.do(func() { <-release })
		synctest.Wait()
		for range many {
			go turns.do(func() { happened++ })
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if happened != many {
			t.Errorf("%d of %d have had their turn", happened, many)
		}
	})
}

func BenchmarkTurn(b *testing.B) {
	turns := newTurns()
	b.ReportAllocs()
	for b.Loop() {
		turns.do(func() {})
	}
}
