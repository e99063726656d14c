package quota

import "time"

// Bucket counts what one connection sends against one Rule. The zero Bucket is
// full. Its 24 bytes are held by every connection, so the Rule is not in it.
type Bucket struct {
	full  int64 // unix ns at which the bucket is full again
	since int64 // unix ns of the try that began the count below
	tried int   // tries since then, in tokens
}

// Take spends cost tokens at now under r: Pass, Over or Flood. What is over
// spends nothing but is counted as tried.
//
// Tries are counted from the first one on for r.Within, and then anew. A
// client that stays under Most in every such span is never closed; one whose
// flood lies across two spans may be closed in the second only. An exact
// sliding count would hold a time for each try.
func (b *Bucket) Take(now time.Time, r *Rule, cost int) Verdict {
	if !r.Limit.Timed() {
		return Verdict{Kind: Pass}
	}
	at := now.UnixNano()
	if at < b.since || at-b.since >= int64(r.Within) {
		b.since, b.tried = at, 0
	}
	b.tried += cost
	if r.Most > 0 && b.tried > r.Most {
		return Verdict{Kind: Flood}
	}
	granted, full, retry := r.Limit.Take(b.full, at, cost, 0)
	b.full = full
	if granted < cost {
		return Verdict{Kind: Over, RetryAfter: retry}
	}
	return Verdict{Kind: Pass}
}
