package limit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/limit"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]limit.Limit{
		"off":                 {},
		"20":                  {Count: 20},
		"100/1m":              {Count: 100, Period: time.Minute, Burst: 100},
		" 30/1s burst 60 ":    {Count: 30, Period: time.Second, Burst: 60},
		"600 / 1m burst 1000": {Count: 600, Period: time.Minute, Burst: 1000},
		"10MiB/1m":            {Count: 10 << 20, Period: time.Minute, Burst: 10 << 20},
		"1/24h burst 30":      {Count: 1, Period: 24 * time.Hour, Burst: 30},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := limit.Parse(text)
			if err != nil || got != want {
				t.Errorf("Parse(%q) = %+v, %v, want %+v", text, got, err, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for why, text := range map[string]string{
		"nothing":                          "",
		"another word":                     "none",
		"a limit of nothing":               "0/1m",
		"less than nothing":                "-1",
		"no number before the period":      "/1m",
		"no period":                        "100/",
		"a period without a unit":          "100/60",
		"a period of nothing":              "100/0s",
		"a burst without a period":         "20 burst 5",
		"a burst of nothing":               "100/1m burst 0",
		"a burst without a number":         "100/1m burst",
		"a number that is too large":       "4GiB/1m",
		"more than one a nanosecond":       "2/1ns",
		"a bucket that does not fill soon": "1/24h burst 31",
		"more words":                       "100/1m please",
	} {
		t.Run(why, func(t *testing.T) {
			if got, err := limit.Parse(text); err == nil {
				t.Errorf("Parse(%q) = %+v, want an error", text, got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"off", "20", "100/1m", "30/1s burst 60", "10MiB/1m30s", "7/1h0m1s", "1/1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := limit.Parse(text)
		if err != nil {
			return
		}
		if again, err := limit.Parse(l.String()); err != nil || again != l {
			t.Errorf("Parse(%q) = %+v, its String %q is read as %+v, %v", text, l, l, again, err)
		}
		if l.Fill() < 0 || l.Fill() > limit.MaxFill {
			t.Errorf("Parse(%q).Fill() = %v, want 0 to %v", text, l.Fill(), limit.MaxFill)
		}
	})
}

func TestTake(t *testing.T) {
	type step struct {
		after      time.Duration // since the step before
		cost, want int
		granted    int
		retry      time.Duration
	}
	five := limit.Limit{Count: 1, Period: time.Second, Burst: 5}
	stories := map[string]struct {
		limit limit.Limit
		steps []step
	}{
		"a full bucket gives its burst":       {five, []step{{0, 5, 0, 5, 0}, {0, 1, 0, 0, time.Second}}},
		"a token is back after a second":      {five, []step{{0, 5, 0, 5, 0}, {time.Second, 1, 0, 1, 0}, {0, 1, 0, 0, time.Second}}},
		"half a token is none":                {five, []step{{0, 5, 0, 5, 0}, {time.Second / 2, 1, 0, 0, time.Second / 2}}},
		"what is refused is not spent":        {five, []step{{0, 4, 0, 4, 0}, {0, 2, 0, 0, time.Second}, {0, 1, 0, 1, 0}}},
		"more is granted as far as it goes":   {five, []step{{0, 1, 2, 3, 0}, {0, 1, 9, 2, 0}}},
		"more is never granted without cost":  {five, []step{{0, 4, 0, 4, 0}, {0, 2, 9, 0, time.Second}}},
		"a bucket does not fill over burst":   {five, []step{{0, 5, 0, 5, 0}, {time.Hour, 1, 9, 5, 0}}},
		"a cost above burst is never granted": {five, []step{{time.Hour, 6, 0, 0, 5 * time.Second}}},
		"a third does not round to a gift":    {limit.Limit{Count: 3, Period: time.Second, Burst: 3}, []step{{0, 3, 0, 3, 0}, {time.Second - 1, 3, 0, 0, 3}}},
		"off grants all":                      {limit.Limit{}, []step{{0, 100, 100, 200, 0}}},
		"a plain number is not spent":         {limit.Limit{Count: 2}, []step{{0, 3, 0, 3, 0}}},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			var tat int64
			now := time.Unix(1_700_000_000, 0)
			for i, s := range story.steps {
				now = now.Add(s.after)
				granted, next, retry := story.limit.Take(tat, now.UnixNano(), s.cost, s.want)
				if granted != s.granted || retry != s.retry {
					t.Fatalf("step %d: Take(+%v, %d, %d) = %d, retry %v, want %d, %v",
						i, s.after, s.cost, s.want, granted, retry, s.granted, s.retry)
				}
				tat = next
			}
		})
	}
}

func TestAClockSetBackLocksNobodyOut(t *testing.T) {
	l := limit.Limit{Count: 1, Period: time.Second, Burst: 5}
	later := time.Unix(1_700_000_000, 0)
	_, tat, _ := l.Take(0, later.UnixNano(), 5, 0)
	now := later.Add(-time.Hour)
	granted, tat, retry := l.Take(tat, now.UnixNano(), 1, 0)
	if granted != 0 || retry != time.Second {
		t.Errorf("an hour back: granted %d, retry %v, want 0, 1s", granted, retry)
	}
	if granted, _, _ = l.Take(tat, now.Add(time.Second).UnixNano(), 1, 0); granted != 1 {
		t.Errorf("a second later: granted %d, want 1", granted)
	}
}

// The bound is what a limit promises, for every history: it is checked from
// each grant on to each later one.
func TestNoSpanOfTimeIsGrantedMoreThanBurstAndRate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		l := limit.Limit{Count: 1 + rnd.IntN(50), Period: time.Duration(1 + rnd.IntN(int(time.Second))), Burst: 1 + rnd.IntN(40)}
		type grant struct {
			at int64
			n  int
		}
		var (
			grants   []grant
			tat, now int64 = 0, 1e18
		)
		for range 200 {
			now += rnd.Int64N(2 * int64(l.Period) / int64(l.Count))
			n, next, retry := l.Take(tat, now, 1+rnd.IntN(l.Burst), rnd.IntN(10))
			if n == 0 && retry <= 0 {
				t.Fatalf("%v: refused with retry %v", l, retry)
			}
			if n == 0 {
				continue
			}
			tat = next
			grants = append(grants, grant{now, n})
		}
		for i := range grants {
			sum := 0
			for _, g := range grants[i:] {
				sum += g.n
				most := float64(l.Burst) + float64(g.at-grants[i].at)*float64(l.Count)/float64(l.Period)
				if float64(sum) > most+1e-6 {
					t.Fatalf("%v: %d granted in %v, want at most %.3f", l, sum, time.Duration(g.at-grants[i].at), most)
				}
			}
		}
	}
}

func TestWhoWaitsAsToldIsGranted(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		l := limit.Limit{Count: 1 + rnd.IntN(1000), Period: time.Duration(1000 + rnd.IntN(int(time.Minute))), Burst: 1 + rnd.IntN(1000)}
		now := int64(1e18)
		_, tat, _ := l.Take(0, now, l.Burst, 0)
		cost := 1 + rnd.IntN(l.Burst)
		_, _, retry := l.Take(tat, now, cost, 0)
		if n, _, _ := l.Take(tat, now+int64(retry)-1, cost, 0); n != 0 {
			t.Fatalf("%v: %d granted before retry %v", l, n, retry)
		}
		if n, _, _ := l.Take(tat, now+int64(retry), cost, 0); n != cost {
			t.Fatalf("%v: %d granted after retry %v, want %d", l, n, retry, cost)
		}
	}
}

func TestBuiltin(t *testing.T) {
	for name, want := range map[string]string{
		limit.ConnectionMessages: "100/1m",
		limit.ConnectionSignals:  "30/1s burst 60",
		limit.UserMessages:       "600/1m",
	} {
		if l, ok := limit.Builtin(name); !ok || l.String() != want {
			t.Errorf("Builtin(%q) = %v, %v, want %s", name, l, ok, want)
		}
	}
	if _, ok := limit.Builtin("user.cakes"); ok {
		t.Error(`Builtin("user.cakes") is a limit, want none`)
	}
}

func BenchmarkTake(b *testing.B) {
	l, _ := limit.Builtin(limit.UserMessages)
	var tat, now int64 = 0, 1e18
	b.ReportAllocs()
	for b.Loop() {
		now += int64(time.Millisecond)
		if n, next, _ := l.Take(tat, now, 1, 0); n > 0 {
			tat = next
		}
	}
}

func ExampleLimit_Take() {
	l, err := limit.Parse("30/1s burst 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	var tat int64 // a full bucket
	now := time.Unix(1_700_000_000, 0)
	for range 3 {
		var granted int
		var retry time.Duration
		granted, tat, retry = l.Take(tat, now.UnixNano(), 1, 0)
		fmt.Println(granted, retry.Round(time.Millisecond))
	}
	// Output:
	// 1 0s
	// 1 0s
	// 0 33ms
}
