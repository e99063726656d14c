// Package quota says whether what a client sends may pass now: by the limits
// of its connection, and by the share of its user's tokens that this gateway
// has leased.
//
// It does not ask ratelimit, keep a clock, or park a message: it says when to
// ask and what to do with a message, and its caller does it. Nothing here is
// safe for concurrent use, allocates, or runs a timer.
//
// A message on its way:
//
//	Bucket.Take → Flood: close 4429 · Over: rate_limited · Pass: go on
//	Lease.Take  → Over: rate_limited · Wait: park it until Granted or Silent
//	              has been called, then Take again · Pass, Open: process it
//	Lease.Need  → ask ratelimit, and tell the answer by Granted or Silent
//
// Read quota.go, then bucket.go, then lease.go.
package quota

import (
	"time"

	"github.com/hubmesh/hubmesh/shared/limit"
)

// Kind is what to do with a message.
type Kind uint8

// The kinds of verdicts.
const (
	Pass  Kind = iota + 1 // process it
	Open                  // process it and count it: ratelimit is silent, so nobody looked
	Wait                  // park it: tokens are being asked for
	Over                  // refuse it with rate_limited
	Flood                 // close the connection with 4429
)

// Verdict is what to do with a message. RetryAfter is above zero for Over, and
// zero otherwise.
type Verdict struct {
	Kind       Kind
	RetryAfter time.Duration
}

// RetryAfterMs is RetryAfter in whole milliseconds, rounded up: who comes back
// then is not too early.
func (v Verdict) RetryAfterMs() int64 {
	return int64((v.RetryAfter + time.Millisecond - 1) / time.Millisecond)
}

// Rule is a limit of each connection, and when going on over it is a flood.
type Rule struct {
	Limit  limit.Limit
	Most   int           // tries within Within; more are a flood; 0: nothing is
	Within time.Duration // from the first try on
}

// MessageRule makes the rule for messages: more than three times what the
// limit gives in a period, tried within one, is a flood.
func MessageRule(l limit.Limit) Rule {
	return Rule{Limit: l, Most: 3 * l.Count, Within: l.Period}
}

// SignalRule makes the rule for signals: more than twenty times the limit,
// tried within ten seconds, is a flood. For 30 a second that is 600: a client
// that sends one a frame at 60 Hz loses half and is not closed.
func SignalRule(l limit.Limit) Rule {
	return Rule{Limit: l, Most: 20 * l.Count, Within: 10 * time.Second}
}
