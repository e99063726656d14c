package presence

import (
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says how presence behaves. The zero Config is what runs in
// production.
type Config struct {
	Prefix string        // first token of every subject; empty means "hub"
	Store  store.Config  // of the bucket, where presence is the first to need it
	Follow follow.Config // times and sizes of following the bucket; zero means follow's own
}

// Bind reads Config from the environment.
func Bind(set *env.Set, cfg *Config) {
	subject.Bind(set, &cfg.Prefix)
	store.Bind(set, &cfg.Store)
}
