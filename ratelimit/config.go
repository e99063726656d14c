package ratelimit

import (
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Config says how much ratelimit gives.
type Config struct {
	Prefix       string           // first token of every subject; empty means "hub"
	Store        store.Config     // of the bucket, where ratelimit is the first to need it
	UserMessages limit.Limit      // messages of a user over all gateways; zero means 600/1m
	Now          func() time.Time // the clock that buckets fill by; nil means time.Now
}

// Bind reads Config from the environment.
func Bind(set *env.Set, cfg *Config) {
	subject.Bind(set, &cfg.Prefix)
	store.Bind(set, &cfg.Store)
}
