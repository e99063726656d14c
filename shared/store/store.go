// Package store says what every stream and bucket is, in one place: the table
// in table.go. It makes what is missing, brings what is there to the shape
// that the services need, and tells what differs.
//
// It does not read or write what is in them (follow and kv do) and deletes
// nothing. Setup and NewEpoch need admin rights; Await and Missing are for
// services, whose rights may end at reading. Read table.go first, then
// setup.go, migrate.go (what may be changed) and epoch.go.
package store

import (
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
)

// Config is how much is kept, and how often. It matters where something is
// made; what is there already is changed only as Setup says.
type Config struct {
	Replicas        int           // JetStream replicas of what is made; 0 means 1
	EventMaxAge     time.Duration // how long an event is kept; 0 means 24h
	EventMaxPerRoom int           // events kept a room; 0 means 1000
	EventMaxBytes   int64         // bound of the whole log of events, which NATS reserves at once; 0 means 10 GiB
}

const gib = 1 << 30

func (c Config) withDefaults() Config {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.EventMaxAge == 0 {
		c.EventMaxAge = 24 * time.Hour
	}
	if c.EventMaxPerRoom == 0 {
		c.EventMaxPerRoom = 1000
	}
	if c.EventMaxBytes == 0 {
		c.EventMaxBytes = 10 * gib
	}
	return c
}

// Bind reads cfg from the environment. What is set in cfg before is the
// default, so that a program may have its own.
func Bind(set *env.Set, cfg *Config) {
	def := cfg.withDefaults()
	bytes := fmt.Sprint(def.EventMaxBytes)
	if def.EventMaxBytes%gib == 0 {
		bytes = fmt.Sprintf("%dGiB", def.EventMaxBytes/gib)
	}
	age := def.EventMaxAge.String()
	if def.EventMaxAge%time.Hour == 0 {
		age = fmt.Sprintf("%dh", def.EventMaxAge/time.Hour)
	}
	set.Int(&cfg.Replicas, "HUBMESH_REPLICAS", fmt.Sprint(def.Replicas), "JetStream replicas of the streams and buckets that are made; 3 in a cluster", 1, 5)
	set.Duration(&cfg.EventMaxAge, "HUBMESH_EVENT_MAX_AGE", age, "how long a room's events can be replayed")
	set.Int(&cfg.EventMaxPerRoom, "HUBMESH_EVENT_MAX_PER_ROOM", fmt.Sprint(def.EventMaxPerRoom), "how many of a room's events can be replayed", 1, 1<<31-1)
	set.Bytes(&cfg.EventMaxBytes, "HUBMESH_EVENT_MAX_BYTES", bytes, "bound of the whole log of events, the oldest go first; NATS reserves it at once")
}
