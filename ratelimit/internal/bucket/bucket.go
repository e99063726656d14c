// Package bucket is one bucket of tokens that all gateways share: its name, the
// text in which it is kept, and what a crowd of asks leaves in it.
//
// It keeps nothing and asks nobody; serve reads and writes buckets. The
// arithmetic of tokens is shared/limit's.
//
// Read bucket.go, then key.go.
package bucket

import (
	"errors"
	"strconv"
	"time"

	"github.com/hubmesh/hubmesh/shared/limit"
)

// Bucket is the time at which it is full again. The zero Bucket is full.
type Bucket struct{ full int64 } // unix ns

// errText is what Read says of text that Text never writes.
var errText = errors.New("bucket: want a time in unix nanoseconds, as decimal digits")

// Read is the reverse of Text. No text is a full bucket.
func Read(text []byte) (Bucket, error) {
	if len(text) == 0 {
		return Bucket{}, nil
	}
	full, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || full < 0 {
		return Bucket{}, errText
	}
	return Bucket{full}, nil
}

// Text is how the bucket is kept.
func (b Bucket) Text() []byte { return strconv.AppendInt(nil, b.full, 10) }

// Ask is for tokens: Cost of them whole or none at all, and then as many of
// Want more as there are.
type Ask struct{ Cost, Want int }

// Grant is what an ask got. With Granted 0, Cost will be there after Retry, if
// nobody else takes it.
type Grant struct {
	Granted int
	Retry   time.Duration
}

// Take answers asks at now under l, the first come first, one Grant each. It
// returns what is left in the bucket, and whether that differs from b in
// tokens: if not, there is nothing to write down.
//
// A bucket that is emptier than l allows at now (written by a machine whose
// clock is ahead, or under a wider limit) counts as empty: it refuses for no
// longer than it would take to fill from now.
func (b Bucket) Take(l limit.Limit, now time.Time, asks []Ask) (left Bucket, grants []Grant, spent bool) {
	grants = make([]Grant, 0, len(asks))
	for _, a := range asks {
		granted, full, retry := l.Take(b.full, now.UnixNano(), a.Cost, a.Want)
		if granted > 0 {
			b.full, spent = full, true
		}
		grants = append(grants, Grant{granted, retry})
	}
	return b, grants, spent
}
