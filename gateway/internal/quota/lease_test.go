package quota_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/limit"
)

// act is one thing done to a lease at a time; it returns what was said to it.
type act func(l *quota.Lease, now time.Time) string

func take(l *quota.Lease, now time.Time) string {
	v := l.Take(now)
	words := map[quota.Kind]string{quota.Pass: "pass", quota.Open: "open", quota.Wait: "wait"}
	if v.Kind == quota.Over {
		return "over " + v.RetryAfter.String()
	}
	return words[v.Kind]
}

// takes is n takes that all say the same; what differs from the first is told.
func takes(n int) act {
	return func(l *quota.Lease, now time.Time) string {
		first := take(l, now)
		for i := 1; i < n; i++ {
			if got := take(l, now); got != first {
				return fmt.Sprintf("%s, then take %d: %s", first, i, got)
			}
		}
		return first
	}
}

func need(l *quota.Lease, now time.Time) string {
	cost, want, ask := l.Need(now)
	if !ask {
		return "no"
	}
	return fmt.Sprintf("%d+%d", cost, want)
}

func granted(n int, retry time.Duration) act {
	return func(l *quota.Lease, now time.Time) string { l.Granted(now, n, retry); return "" }
}

func silent(l *quota.Lease, now time.Time) string { l.Silent(now); return "" }

func TestLease(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		do    act
		want  string
	}
	stories := map[string][]step{
		"a first message waits, and is asked for once": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, take, "wait"}, {0, need, "no"}, {0, granted(5, 0), ""}, {0, takes(2), "pass"},
		},
		"a lease asked for before the first message lets it pass": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, take, "pass"},
		},
		"more is asked for below half, while messages go on passing": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, takes(2), "pass"}, {0, need, "no"}, {0, take, "pass"}, {0, need, "1+7"}, {0, takes(2), "pass"}, {0, take, "wait"},
		},
		"a lease grows while it is used quickly, up to a tenth of the limit": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, takes(5), "pass"},
			{time.Second, need, "1+9"}, {0, granted(10, 0), ""}, {0, takes(10), "pass"},
			{time.Second, need, "1+19"}, {0, granted(20, 0), ""}, {0, takes(20), "pass"},
			{time.Second, need, "1+39"}, {0, granted(40, 0), ""}, {0, takes(40), "pass"},
			{time.Second, need, "1+59"}, {0, granted(60, 0), ""}, {0, takes(60), "pass"},
			{time.Second, need, "1+59"},
		},
		"a lease that lasts shrinks again": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, takes(5), "pass"},
			{time.Second, need, "1+9"}, {0, granted(10, 0), ""}, {40 * time.Second, takes(10), "pass"},
			{0, need, "1+4"},
		},
		"an empty shared bucket refuses until it is asked again": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, granted(0, 100*time.Millisecond), ""},
			{0, take, "over 100ms"}, {0, need, "no"}, {60 * time.Millisecond, take, "over 40ms"},
			{40 * time.Millisecond, take, "wait"}, {0, need, "1+4"}, {0, granted(1, 0), ""}, {0, take, "pass"},
		},
		"a refusal that names no time is not asked again at once": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, granted(0, 0), ""}, {0, take, "over 1ms"}, {0, need, "no"},
		},
		"a refusal that names a year holds for a period": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, granted(0, 365*24*time.Hour), ""}, {0, take, "over 1m0s"},
		},
		"more than was asked is not believed": {
			{0, need, "1+4"}, {0, granted(1000, 0), ""}, {0, takes(5), "pass"}, {0, take, "wait"},
		},
		"less than nothing is nothing": {
			{0, need, "1+4"}, {0, granted(-3, -time.Second), ""}, {0, take, "over 1ms"},
		},
		"silence lets pass, and is asked again after a second": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, silent, ""}, {0, takes(1000), "open"}, {0, need, "no"},
			{time.Second, take, "open"}, {0, need, "1+4"}, {0, take, "open"}, {0, granted(5, 0), ""}, {0, takes(5), "pass"}, {0, take, "wait"},
		},
		"silence spends what is leased first": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, takes(3), "pass"}, {0, need, "1+7"}, {0, silent, ""}, {0, takes(2), "pass"}, {0, take, "open"},
		},
		"an old lease keeps five": {
			{0, need, "1+4"}, {0, granted(5, 0), ""}, {0, takes(5), "pass"}, {0, need, "1+9"}, {0, granted(10, 0), ""},
			{time.Minute, takes(5), "pass"}, {0, take, "wait"},
		},
		"who sends now and then never waits": {
			{0, need, "1+4"}, {0, granted(5, 0), ""},
			{time.Hour, take, "pass"}, {0, need, "no"}, {time.Hour, take, "pass"}, {0, need, "no"},
			{time.Hour, take, "pass"}, {0, need, "1+2"}, {0, granted(3, 0), ""}, {time.Hour, take, "pass"}, {0, need, "no"},
		},
		"a clock set back ends a refusal": {
			{0, take, "wait"}, {0, need, "1+4"}, {0, granted(0, time.Second), ""}, {-time.Hour, take, "wait"}, {0, need, "1+4"},
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			l := quota.NewLease(builtin(t, limit.UserMessages))
			now := t0()
			for i, s := range story {
				now = now.Add(s.after)
				if got := s.do(&l, now); got != s.want {
					t.Fatalf("step %d: %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

func TestALimitThatIsOffIsNeverAsked(t *testing.T) {
	l := quota.NewLease(limit.Limit{})
	if got := takes(1000)(&l, t0()); got != "pass" {
		t.Errorf("takes: %s, want pass", got)
	}
	if got := need(&l, t0()); got != "no" {
		t.Errorf("need: %s, want no", got)
	}
}

// mesh is one user on some gateways that lease from one shared bucket, whose
// answers take a while.
type mesh struct {
	limit  limit.Limit
	shared int64 // the shared bucket
	leases []quota.Lease
	due    []time.Time // when the answer of a gateway comes; zero: none is awaited
	asked  [][2]int
}

func newMesh(l limit.Limit, gateways int) *mesh {
	m := &mesh{limit: l, due: make([]time.Time, gateways), asked: make([][2]int, gateways)}
	for range gateways {
		m.leases = append(m.leases, quota.NewLease(l))
	}
	return m
}

// answer hands over what has come by now.
func (m *mesh) answer(now time.Time) {
	for g := range m.leases {
		if m.due[g].IsZero() || now.Before(m.due[g]) {
			continue
		}
		n, full, retry := m.limit.Take(m.shared, m.due[g].UnixNano(), m.asked[g][0], m.asked[g][1])
		if n > 0 {
			m.shared = full
		}
		m.leases[g].Granted(m.due[g], n, retry)
		m.due[g] = time.Time{}
	}
}

// send tries a message on gateway g.
func (m *mesh) send(g int, now time.Time, delay time.Duration) quota.Kind {
	m.answer(now)
	v := m.leases[g].Take(now)
	if cost, want, ask := m.leases[g].Need(now); ask {
		m.asked[g], m.due[g] = [2]int{cost, want}, now.Add(delay)
	}
	return v.Kind
}

// The model: whatever a user does on whatever gateways, what passes in a span
// is what the shared bucket grants in it and what the gateways held before.
func TestGatewaysTogetherPassNoMoreThanTheLimitAndWhatTheyHold(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		l := limit.Limit{Count: 10 + rnd.IntN(600), Period: time.Minute, Burst: 10 + rnd.IntN(600)}
		gateways := 1 + rnd.IntN(5)
		m := newMesh(l, gateways)
		now, passed := t0(), 0
		pause := time.Duration(1 + rnd.Int64N(int64(2*l.Period)/int64(l.Count)))
		for range 3000 {
			now = now.Add(time.Duration(rnd.Int64N(int64(pause))))
			switch m.send(rnd.IntN(gateways), now, time.Duration(rnd.Int64N(int64(50*time.Millisecond)))) {
			case quota.Pass:
				passed++
			case quota.Wait, quota.Over:
			case quota.Open, quota.Flood:
				t.Fatal("a lease that is answered was open or a flood")
			}
			most := float64(l.Burst) + now.Sub(t0()).Seconds()/l.Period.Seconds()*float64(l.Count)
			if float64(passed) > most {
				t.Fatalf("%v on %d gateways: %d passed in %v, want at most %.1f", l, gateways, passed, now.Sub(t0()), most)
			}
		}
		// Two quiet periods, then all at once: only the held may be on top.
		now = now.Add(2 * l.Period)
		passed = 0
		for range 5000 {
			now = now.Add(time.Millisecond)
			if m.send(rnd.IntN(gateways), now, time.Millisecond) == quota.Pass {
				passed++
			}
		}
		most := float64(l.Burst+5*gateways) + 5/l.Period.Seconds()*float64(l.Count)
		if float64(passed) > most {
			t.Fatalf("%v on %d gateways: %d passed at once after a quiet time, want at most %.1f", l, gateways, passed, most)
		}
	}
}

func TestAnOrdinaryUserWaitsOnceAndIsAskedForSeldom(t *testing.T) {
	const messages = 1000
	m := newMesh(builtin(t, limit.UserMessages), 1)
	now, waits, asks := t0(), 0, 0
	for range messages {
		now = now.Add(110 * time.Millisecond) // just under ten a second
		idle := m.due[0].IsZero()
		if m.send(0, now, 20*time.Millisecond) == quota.Wait {
			waits++
		}
		if idle && !m.due[0].IsZero() {
			asks++
		}
	}
	if waits != 1 || asks > messages/20 {
		t.Errorf("%d messages: %d waited, want 1; %d asks, want at most %d", messages, waits, asks, messages/20)
	}
}

func BenchmarkLease(b *testing.B) {
	l := quota.NewLease(builtin(b, limit.UserMessages))
	now := t0()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100 * time.Millisecond)
		l.Take(now)
		if cost, want, ask := l.Need(now); ask {
			l.Granted(now, cost+want, 0)
		}
	}
}
