package book

import (
	"bytes"
	"math"
	"strconv"

	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// readRevocation reads the time before which tokens hold no longer, in unix
// seconds. One that cannot be read is after everything: whoever wrote it meant
// to shut somebody out, and that somebody is still here would be told nobody.
func (b *Book) readRevocation(value []byte) (before float64, err error) {
	before, err = strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	if err != nil || math.IsNaN(before) {
		b.meter.Refused.Inc()
		b.log.Error("book: not a time in unix seconds: such tokens hold no longer, whenever they were issued",
			obs.Bucket, b.tree.Bucket(subject.Revoked), obs.Err, err)
		return math.Inf(1), nil
	}
	return before, nil
}
