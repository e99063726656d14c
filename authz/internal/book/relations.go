package book

import (
	"time"

	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// mostTouched bounds the users and the rooms that one fact names. Above it, it
// concerns every user of its rooms, or every room of its users.
const mostTouched = 1000

// tellAgain is how often a key that is no fact is told of. They come by
// thousands where a program writes them.
const tellAgain = time.Minute

// relations is the bucket of facts.
type relations struct {
	book *Book
	told time.Time // of the follower's goroutine
}

// read reads a fact from its key; the value is the writer's own.
func (r *relations) read(key string, _ []byte, gone, _ bool) change {
	b := r.book
	fact, ok := subject.ParseFact(key)
	if !ok {
		if !gone {
			r.refuse(key)
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

// refuse counts a key that is no fact, and tells of one now and then.
func (r *relations) refuse(key string) {
	b := r.book
	b.meter.Refused.Inc()
	if now := time.Now(); now.Sub(r.told) > tellAgain {
		r.told = now
		b.log.Warn("book: not a relation, as perhaps others", obs.Bucket, b.tree.Bucket(subject.Relations), obs.Key, key)
	}
}

func (r *relations) forget() {
	r.book.meter.Relations.Sub(float64(r.book.graph.Len()))
	r.book.graph = relation.Graph{}
}
