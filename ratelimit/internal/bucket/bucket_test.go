package bucket_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/ratelimit/internal/bucket"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func t0() time.Time { return time.Unix(1_700_000_000, 0) }

func five() limit.Limit { return limit.Limit{Count: 1, Period: time.Second, Burst: 5} }

func TestTake(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		asks  []bucket.Ask
		want  []bucket.Grant
		spent bool
	}
	one := bucket.Ask{Cost: 1}
	for name, story := range map[string][]step{
		"a crowd is served in its order": {
			{0, []bucket.Ask{{Cost: 2}, {Cost: 2}, {Cost: 2}, one}, []bucket.Grant{{Granted: 2}, {Granted: 2}, {Retry: time.Second}, {Granted: 1}}, true},
		},
		"a lease takes what there is": {
			{0, []bucket.Ask{{Cost: 1, Want: 2}, {Cost: 1, Want: 9}, one}, []bucket.Grant{{Granted: 3}, {Granted: 2}, {Retry: time.Second}}, true},
		},
		"what is refused to all leaves nothing to write": {
			{0, []bucket.Ask{{Cost: 5}}, []bucket.Grant{{Granted: 5}}, true},
			{0, []bucket.Ask{one, one}, []bucket.Grant{{Retry: time.Second}, {Retry: time.Second}}, false},
			{time.Second, []bucket.Ask{one}, []bucket.Grant{{Granted: 1}}, true},
		},
		"a cost above burst is never granted": {
			{0, []bucket.Ask{{Cost: 6}}, []bucket.Grant{{Retry: 5 * time.Second}}, false},
		},
		"nobody asks": {{0, nil, nil, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bucket.Bucket
			now := t0()
			for i, s := range story {
				now = now.Add(s.after)
				left, got, spent := b.Take(five(), now, s.asks)
				if !slices.Equal(got, s.want) || spent != s.spent {
					t.Fatalf("step %d: Take(%v) = %v, %v, want %v, %v", i, s.asks, got, spent, s.want, s.spent)
				}
				if !spent && left != b {
					t.Fatalf("step %d: nothing was spent, but %s is left of %s", i, left.Text(), b.Text())
				}
				b = left
			}
		})
	}
}

func TestABucketFromAClockAheadRefusesNoLongerThanAnEmptyOne(t *testing.T) {
	b, _, _ := bucket.Bucket{}.Take(five(), t0().Add(time.Hour), []bucket.Ask{{Cost: 5}})
	_, got, _ := b.Take(five(), t0(), []bucket.Ask{{Cost: 2}})
	if want := []bucket.Grant{{Retry: 2 * time.Second}}; !slices.Equal(got, want) {
		t.Errorf("an hour before it is full: %v, want %v", got, want)
	}
}

// Whatever the order in which crowds come, and whether a bucket was read from
// its text in between, no span is granted more than burst and rate. Machines
// whose clocks differ add their difference to the span, and no more.
func TestNoHistoryIsGrantedMoreThanBurstAndRate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		l := limit.Limit{Count: 1 + rnd.IntN(50), Period: time.Duration(1 + rnd.Int64N(int64(time.Second))), Burst: 1 + rnd.IntN(40)}
		skew := time.Duration(rnd.Int64N(int64(time.Second)))
		text, granted, now := []byte(nil), 0, t0()
		for range 300 {
			now = now.Add(time.Duration(rnd.Int64N(2 * int64(l.Period) / int64(l.Count))))
			asks := make([]bucket.Ask, 1+rnd.IntN(4))
			for i := range asks {
				asks[i] = bucket.Ask{Cost: 1 + rnd.IntN(l.Burst), Want: rnd.IntN(10)}
			}
			b, err := bucket.Read(text)
			if err != nil {
				t.Fatal(err)
			}
			clock := now.Add(time.Duration(rnd.Int64N(int64(skew) + 1)))
			left, grants, spent := b.Take(l, clock, asks)
			if !spent {
				continue
			}
			text = left.Text()
			for _, g := range grants {
				granted += g.Granted
			}
			most := float64(l.Burst) + float64(now.Sub(t0())+skew)*float64(l.Count)/float64(l.Period)
			if float64(granted) > most+1e-6 {
				t.Fatalf("%v: %d granted in %v with clocks %v apart, want at most %.1f", l, granted, now.Sub(t0()), skew, most)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for text, want := range map[string]struct {
		key    bucket.Key
		record string
	}{
		"user.messages/ann":                      {bucket.Key{Limit: "user.messages", Owner: "ann"}, "user=2emessages.ann"},
		"user.messages/ann=40example=2ecom":      {bucket.Key{Limit: "user.messages", Owner: "ann@example.com"}, "user=2emessages.ann=40example=2ecom"},
		"user.messages@claim:plan=pro/a=2fb/ann": {bucket.Key{Limit: "user.messages@claim:plan=pro/a=2fb", Owner: "ann"}, "user=2emessages=40claim=3aplan=3dpro=2fa=3d2fb.ann"},
	} {
		got, err := bucket.ParseKey(text)
		if err != nil || got != want.key || got.Record() != want.record {
			t.Errorf("ParseKey(%q) = %+v, %v, kept under %s; want %+v under %s", text, got, err, got.Record(), want.key, want.record)
		}
	}
	for why, text := range map[string]string{
		"nothing":                         "",
		"no owner":                        "user.messages",
		"an empty owner":                  "user.messages/",
		"an empty limit":                  "/ann",
		"an owner that is not escaped":    "user.messages/ann@example.com",
		"an owner with a dot":             "user.messages/ann.b",
		"an owner of a wildcard":          "user.messages/*",
		"an owner escaped without need":   "user.messages/=61nn",
		"an owner in upper-case hex":      "user.messages/a=4Ab",
		"an owner with a control of text": "user.messages/a=0a",
	} {
		if got, err := bucket.ParseKey(text); err == nil {
			t.Errorf("%s: ParseKey(%q) = %+v, want an error", why, text, got)
		}
	}
}

// Two keys never share a record: each is read back from its own.
func FuzzParseKey(f *testing.F) {
	f.Add("user.messages/ann=40example=2ecom")
	f.Add("a/b/c")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := bucket.ParseKey(text)
		if err != nil {
			return
		}
		name, owner, _ := strings.Cut(k.Record(), ".")
		back, ok1 := subject.Unescape(name)
		who, ok2 := subject.Unescape(owner)
		if !ok1 || !ok2 || back != k.Limit || who != k.Owner {
			t.Errorf("record %s of %+v is read as %q of %q", k.Record(), k, back, who)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("1700000000000000000"))
	f.Add([]byte("-1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := bucket.Read(text)
		if err != nil {
			return
		}
		_, grants, _ := b.Take(five(), t0(), []bucket.Ask{{Cost: 1, Want: 9}})
		if g := grants[0]; g.Granted > 5 || g.Retry > 5*time.Second || g.Granted == 0 && g.Retry <= 0 {
			t.Errorf("a bucket of %q gives %+v", text, g)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	var bu bucket.Bucket
	asks, now := []bucket.Ask{{Cost: 1, Want: 4}}, t0()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		bu, _, _ = bu.Take(five(), now, asks)
	}
}

func ExampleBucket_Take() {
	messages := limit.Limit{Count: 600, Period: time.Minute, Burst: 600}
	left, grants, _ := bucket.Bucket{}.Take(messages, time.Unix(0, 0), []bucket.Ask{{Cost: 1, Want: 4}, {Cost: 600}})
	fmt.Printf("%+v\n%s\n", grants, left.Text())
	// Output:
	// [{Granted:5 Retry:0s} {Granted:0 Retry:500ms}]
	// 500000000
}
