package book

import (
	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// mostTouched bounds the users and the rooms that one fact names. Above it, it
// concerns every user of its rooms, or every room of its users.
const mostTouched = 1000

// relations is the bucket of facts.
type relations struct{ book *Book }

// read reads a fact from its key; the value is the writer's own.
func (r relations) read(key string, _ []byte, gone, _ bool) change {
	b := r.book
	fact, ok := subject.ParseFact(key)
	if !ok {
		if !gone {
			b.meter.Refused.Inc()
			b.log.Warn("book: not a relation", obs.Bucket, b.tree.Bucket(subject.Relations), obs.Key, key)
		}
		return nil
	}
	return func(noted bool) (touched []wire.Touched) {
		g := &b.graph
		switch {
		case gone && g.Remove(fact):
			b.meter.Relations.Dec()
		case !gone && g.Add(fact):
			b.meter.Relations.Inc()
		}
		if !noted {
			return nil
		}
		t := g.Touched(fact, mostTouched)
		if t.Users != nil && len(t.Users) == 0 {
			return nil // on the wire no users are all of them
		}
		return []wire.Touched{{Users: t.Users, Rooms: t.Rooms}}
	}
}

func (r relations) forget() {
	r.book.meter.Relations.Sub(float64(r.book.graph.Len()))
	r.book.graph = relation.Graph{}
}
