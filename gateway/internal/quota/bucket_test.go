package quota_test

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/limit"
)

// t0 is when every story begins.
func t0() time.Time { return time.Unix(1_700_000_000, 0) }

// builtin is the built-in limit of a name.
func builtin(tb testing.TB, name string) limit.Limit {
	tb.Helper()
	l, ok := limit.Builtin(name)
	if !ok {
		tb.Fatalf("no limit %q", name)
	}
	return l
}

func TestBucketTake(t *testing.T) {
	messages := quota.MessageRule(builtin(t, limit.ConnectionMessages))
	signals := quota.SignalRule(builtin(t, limit.ConnectionSignals))
	never := quota.Rule{Limit: messages.Limit}
	type step struct {
		after time.Duration // since the step before
		times int           // tries, all with the same verdict
		want  quota.Kind
		retry time.Duration
	}
	stories := map[string]struct {
		rule  quota.Rule
		steps []step
	}{
		"a hundred messages pass, the next one waits its turn": {messages, []step{
			{0, 100, quota.Pass, 0}, {0, 1, quota.Over, 600 * time.Millisecond}, {600 * time.Millisecond, 1, quota.Pass, 0}, {0, 1, quota.Over, 600 * time.Millisecond},
		}},
		"three times the messages in a minute are borne, one more is a flood": {messages, []step{
			{0, 100, quota.Pass, 0}, {0, 200, quota.Over, 600 * time.Millisecond}, {0, 1, quota.Flood, 0},
		}},
		"a minute later tries are counted anew": {messages, []step{
			{0, 100, quota.Pass, 0}, {0, 200, quota.Over, 600 * time.Millisecond}, {time.Minute, 100, quota.Pass, 0}, {0, 200, quota.Over, 600 * time.Millisecond}, {0, 1, quota.Flood, 0},
		}},
		"a flood that goes on stays one": {messages, []step{
			{0, 100, quota.Pass, 0}, {0, 200, quota.Over, 600 * time.Millisecond}, {0, 50, quota.Flood, 0},
		}},
		"sixty signals pass at once, then thirty a second": {signals, []step{
			{0, 60, quota.Pass, 0}, {0, 1, quota.Over, 33333334}, {1100 * time.Millisecond, 32, quota.Pass, 0},
		}},
		"twenty times the signals in ten seconds are borne, one more is a flood": {signals, []step{
			{0, 60, quota.Pass, 0}, {0, 540, quota.Over, 33333334}, {0, 1, quota.Flood, 0},
		}},
		"without a rule for floods nothing is one": {never, []step{
			{0, 100, quota.Pass, 0}, {0, 1000, quota.Over, 600 * time.Millisecond},
		}},
		"off lets everything pass": {quota.MessageRule(limit.Limit{}), []step{{0, 10_000, quota.Pass, 0}}},
		"a clock set back refuses no longer than an empty bucket does": {messages, []step{
			{0, 100, quota.Pass, 0}, {-time.Hour, 1, quota.Over, 600 * time.Millisecond}, {600 * time.Millisecond, 1, quota.Pass, 0},
		}},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			var b quota.Bucket
			now := t0()
			for i, s := range story.steps {
				now = now.Add(s.after)
				for n := range s.times {
					if got, want := b.Take(now, &story.rule, 1), (quota.Verdict{Kind: s.want, RetryAfter: s.retry}); got != want {
						t.Fatalf("step %d, try %d: Take = %+v, want %+v", i, n, got, want)
					}
				}
			}
		})
	}
}

func TestWhoStaysUnderTheFloodInEverySpanIsNeverClosed(t *testing.T) {
	rule := quota.MessageRule(limit.Limit{Count: 10, Period: time.Second, Burst: 10})
	rnd := rand.New(rand.NewPCG(5, 6))
	var (
		b     quota.Bucket
		tries []time.Time // of the last period, oldest first
		now   = t0()
	)
	for range 100_000 {
		now = now.Add(time.Duration(rnd.Int64N(int64(60 * time.Millisecond))))
		for len(tries) > 0 && now.Sub(tries[0]) >= rule.Within {
			tries = tries[1:]
		}
		if len(tries) == rule.Most {
			continue
		}
		tries = append(tries, now)
		if v := b.Take(now, &rule, 1); v.Kind == quota.Flood {
			t.Fatalf("flood with %d tries in the last %v, allowed are %d", len(tries), rule.Within, rule.Most)
		}
	}
}

func TestRetryAfterMsIsNeverTooEarly(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Minute: 60_000} {
		if got := (quota.Verdict{Kind: quota.Over, RetryAfter: d}).RetryAfterMs(); got != want {
			t.Errorf("RetryAfterMs of %v = %d, want %d", d, got, want)
		}
	}
}

func TestABucketIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(quota.Bucket{}); got > 24 {
		t.Errorf("a Bucket takes %d bytes, want at most 24", got)
	}
}

func BenchmarkBucketTake(b *testing.B) {
	rule := quota.MessageRule(builtin(b, limit.ConnectionMessages))
	var bucket quota.Bucket
	now := t0()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(300 * time.Millisecond)
		bucket.Take(now, &rule, 1)
	}
}
