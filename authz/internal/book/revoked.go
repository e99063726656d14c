package book

import (
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// readRevocation reads a value for the mirror. One that cannot be read revokes
// everything under its key, and is told of.
func (b *Book) readRevocation(value []byte) (before float64, _ error) {
	before, err := wire.ReadRevocation(value)
	if err != nil {
		b.meter.Refused.Inc()
		b.log.Error("book: such tokens hold no longer, whenever they were issued",
			obs.Bucket, b.tree.Bucket(subject.Revoked), obs.Err, err)
	}
	return before, nil
}
