package serve

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hubmesh/hubmesh/ratelimit/internal/bucket"
)

func newCrowds() *crowds { return &crowds{waiting: map[bucket.Key][]*waiter{}} }

// echo grants each ask what it costs.
func echo(asks []bucket.Ask) ([]bucket.Grant, error) {
	grants := make([]bucket.Grant, len(asks))
	for i, a := range asks {
		grants[i].Granted = a.Cost
	}
	return grants, nil
}

func TestWhoComesWhileABucketIsWrittenSharesTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key := newCrowds(), bucket.Key{Limit: "l", Owner: "ann"}
		var sizes []int // of the crowds; one spend at a time writes it
		begun, gate := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow := func(asks []bucket.Ask) ([]bucket.Grant, error) {
			sizes = append(sizes, len(asks))
			once.Do(func() { close(begun); <-gate })
			return echo(asks)
		}
		for i := range 10 {
			go func() {
				if g, err := c.take(key, bucket.Ask{Cost: i + 1}, slow); err != nil || g.Granted != i+1 {
					t.Errorf("take of %d = %+v, %v", i+1, g, err)
				}
			}()
			if i == 0 {
				<-begun
			}
		}
		synctest.Wait() // nine wait for the first
		close(gate)
		synctest.Wait()
		if len(sizes) != 2 || sizes[0] != 1 || sizes[1] != 9 {
			t.Errorf("crowds of %v, want 1 and then the 9 that came meanwhile", sizes)
		}
		if len(c.waiting) != 0 {
			t.Errorf("%d buckets are still led", len(c.waiting))
		}
	})
}

func TestBucketsDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowds()
		gate := make(chan struct{})
		go func() {
			_, _ = c.take(bucket.Key{Owner: "ann"}, bucket.Ask{Cost: 1}, func(asks []bucket.Ask) ([]bucket.Grant, error) {
				<-gate
				return echo(asks)
			})
		}()
		synctest.Wait()
		if g, err := c.take(bucket.Key{Owner: "bob"}, bucket.Ask{Cost: 2}, echo); err != nil || g.Granted != 2 {
			t.Errorf("bob's take = %+v, %v while ann's waits", g, err)
		}
		close(gate)
	})
}

func TestAnErrorIsHeardByItsCrowdOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, away := newCrowds(), bucket.Key{Owner: "ann"}, errors.New("away")
		gate := make(chan struct{})
		fails := func([]bucket.Ask) ([]bucket.Grant, error) { <-gate; return nil, away } //nolint:unparam // it has the shape of one that does not fail
		go func() {
			if _, err := c.take(key, bucket.Ask{Cost: 1}, fails); !errors.Is(err, away) {
				t.Errorf("the leader hears %v, want away", err)
			}
		}()
		synctest.Wait()
		go func() {
			if g, err := c.take(key, bucket.Ask{Cost: 1}, echo); err != nil || g.Granted != 1 {
				t.Errorf("the next crowd hears %+v, %v", g, err)
			}
		}()
		synctest.Wait()
		close(gate)
	})
}

func TestManyAskersAtManyBucketsAreEachAnsweredOnce(t *testing.T) {
	c := newCrowds()
	var spent atomic.Int64
	counting := func(asks []bucket.Ask) ([]bucket.Grant, error) {
		for _, a := range asks {
			spent.Add(int64(a.Cost))
		}
		return echo(asks)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for n := range 200 {
				cost := 1 + (i+n)%7
				if g, err := c.take(bucket.Key{Owner: string(rune('a' + n%3))}, bucket.Ask{Cost: cost}, counting); err != nil || g.Granted != cost {
					t.Errorf("take of %d = %+v, %v", cost, g, err)
				}
				spent.Add(-int64(cost))
			}
		})
	}
	wg.Wait()
	if spent.Load() != 0 || len(c.waiting) != 0 {
		t.Errorf("%d spent beyond what was answered, %d buckets still led", spent.Load(), len(c.waiting))
	}
}
