package quota

import (
	"time"

	"github.com/hubmesh/hubmesh/shared/limit"
)

const (
	// leastLease is how many tokens a lease begins with, and how many of it
	// are kept however old they are.
	leastLease = 5
	// leasesALimit is how many of the largest leases a limit's count makes: no
	// gateway holds more of a user's tokens than a tenth of a period's.
	leasesALimit = 10
	// againAfter is how long a silent ratelimit is left alone.
	againAfter = time.Second
	// leastRetry keeps an answer that grants nothing and names no time from
	// being asked again at once, for ever.
	leastRetry = time.Millisecond
)

// Lease is a user's tokens on this gateway: taken ahead from the bucket that
// all gateways share, so that an ordinary message asks nobody. One a user with
// a connection here, shared by all of that user's connections; it is dropped
// with the last of them. Tokens left over are returned by nobody: the shared
// bucket fills by itself.
//
// For that reason leased tokens age: a period after they were granted the
// shared bucket has had them back, so only leastLease of them are kept, with
// which a user who sends now and then never waits. What a user can gain by
// saving up is what the gateways hold: a tenth of the limit's count on each,
// and leastLease on one that was quiet for a period.
//
// A lease doubles when half of it was used within a tenth of the period, and
// halves when that took longer than half the period.
type Lease struct {
	limit limit.Limit

	have   int   // tokens left
	leased int   // tokens left when the last grant had come
	size   int   // how many to want next
	asked  int   // how many were asked for, while asking
	since  int64 // unix ns of the last grant; 0: none yet
	next   int64 // unix ns before which ratelimit is not asked again
	asking bool  // an answer is awaited
	open   bool  // the last answer was silence
}

// NewLease returns a user's empty lease under l. Its first message waits,
// unless Need is called, and answered, before it comes.
func NewLease(l limit.Limit) Lease { return Lease{limit: l, size: min(leastLease, most(l))} }

// Take spends one token at now: Pass; Open when there is none because
// ratelimit is silent; Over when the shared bucket is empty; Wait when it is
// not known, until Granted or Silent was called. Call Need after it.
func (l *Lease) Take(now time.Time) Verdict {
	if !l.limit.Timed() {
		return Verdict{Kind: Pass}
	}
	at := now.UnixNano()
	l.age(at)
	switch {
	case l.have > 0:
		l.have--
		return Verdict{Kind: Pass}
	case l.open:
		return Verdict{Kind: Open}
	case l.paused(at):
		return Verdict{Kind: Over, RetryAfter: time.Duration(l.next - at)}
	}
	return Verdict{Kind: Wait}
}

// Need reports whether ratelimit must be asked now, and for what: cost whole,
// and want more as far as they are there. Who asks tells the answer by Granted
// or Silent, once; until then ask is false.
func (l *Lease) Need(now time.Time) (cost, want int, ask bool) {
	at := now.UnixNano()
	if !l.limit.Timed() || l.asking || l.paused(at) {
		return 0, 0, false
	}
	l.age(at)
	if l.have > 0 && 2*l.have >= l.leased {
		return 0, 0, false
	}
	l.resize(at)
	l.asking, l.asked = true, max(l.size-l.have, 1)
	return 1, l.asked - 1, true
}

// Granted tells at now that ratelimit granted so many tokens, or none before
// retryAfter has passed. What it says beyond what was asked is not believed.
func (l *Lease) Granted(now time.Time, granted int, retryAfter time.Duration) {
	at := now.UnixNano()
	granted = min(max(granted, 0), l.asked)
	l.asking, l.open, l.asked, l.next = false, false, 0, 0
	if granted == 0 {
		l.next = at + int64(min(max(retryAfter, leastRetry), l.limit.Period))
		return
	}
	l.have += granted
	l.leased, l.since = l.have, at
}

// Silent tells at now that ratelimit did not answer. Messages pass as Open
// until an answer comes; Need asks for one after a second.
func (l *Lease) Silent(now time.Time) {
	l.asking, l.open, l.asked = false, true, 0
	l.next = now.UnixNano() + int64(againAfter)
}

// paused reports whether ratelimit is not to be asked yet. A pause is at most
// a period long: one that seems longer was made by a clock since set back.
func (l *Lease) paused(at int64) bool {
	return at < l.next && l.next-at <= int64(max(l.limit.Period, againAfter))
}

// age forgets tokens that the shared bucket has had back. A clock that was set
// back counts as a period passed: it is not known how long it was.
func (l *Lease) age(at int64) {
	if at < l.since || at-l.since >= int64(l.limit.Period) {
		l.have = min(l.have, leastLease)
		l.leased = min(l.leased, leastLease)
	}
}

// resize fits the next lease to how long the last one took to be half used.
func (l *Lease) resize(at int64) {
	if l.since == 0 {
		return
	}
	switch used := at - l.since; {
	case used < 0:
	case used < int64(l.limit.Period)/10:
		l.size = min(2*l.size, most(l.limit))
	case used > int64(l.limit.Period)/2:
		l.size = max(l.size/2, min(leastLease, most(l.limit)))
	}
}

// most is the largest lease under l, at least one token.
func most(l limit.Limit) int { return max(l.Count/leasesALimit, 1) }
