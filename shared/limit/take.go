package limit

import "time"

// Take spends tokens at now from the bucket that tat stands for: cost of them
// whole or none at all, and then as many of want more as there are. Granted is
// 0 or from cost to cost+want; next is what the owner keeps in place of tat
// when something was granted. When nothing was, retry is how long after now
// cost will be there, if nobody else takes it.
//
// It is the virtual-scheduling form of GCRA (ITU-T I.371, annex A): tat is the
// time at which the bucket is full again, in unix nanoseconds, and now too;
// 0, or any time that has passed, is a full bucket. No timer runs and nothing
// is counted down. In any span of time t no more than Burst + t×Count/Period
// is granted.
//
// A tat later than any that Take itself makes at now (clocks differ, or were
// set back) is an empty bucket, not an emptier one: so nobody is locked out
// for longer than a bucket takes to fill. A cost above Burst is never granted.
// A limit that is not Timed grants all.
func (l Limit) Take(tat, now int64, cost, want int) (granted int, next int64, retry time.Duration) {
	if !l.Timed() {
		return cost + want, tat, 0
	}
	each := l.interval()
	empty := now + each*int64(l.Burst)
	tat = min(max(tat, now), empty)
	if cost > l.Burst {
		return 0, tat, time.Duration(empty - now)
	}
	left := empty - each*int64(cost) - tat
	if left < 0 {
		return 0, tat, time.Duration(-left)
	}
	granted = cost + int(min(int64(want), left/each))
	return granted, tat + each*int64(granted), 0
}

// Fill is the time in which an empty bucket becomes full.
func (l Limit) Fill() time.Duration {
	if !l.Timed() {
		return 0
	}
	return time.Duration(l.interval() * int64(l.Burst))
}

// interval is the time in which one token comes back, in nanoseconds, rounded
// up: rounded down it would give more than the limit says.
func (l Limit) interval() int64 {
	n := int64(l.Count)
	return (int64(l.Period) + n - 1) / n
}
