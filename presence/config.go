package presence

import (
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says how presence behaves. The zero Config is what runs in
// production.
type Config struct {
	Prefix string        // first token of every subject; empty means "hub"
	Store  store.Config  // of the streams and buckets, where presence is the first to need them
	Follow follow.Config // times and sizes of following them; zero means follow's own

	// Now is the clock that statuses and ends are stamped with; nil means
	// time.Now. Nothing that matters is compared with it.
	Now func() time.Time

	// Proof is how long NATS must have taken writes since a gateway's lease has
	// ended before its connections are; 0 means 3s. With the lease's 13 s it
	// makes the 20 s within which a dead gateway's users have left.
	Proof time.Duration
}

// Bind reads Config from the environment.
func Bind(set *env.Set, cfg *Config) {
	subject.Bind(set, &cfg.Prefix)
	store.Bind(set, &cfg.Store)
}
