package store

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// item is one stream, or the stream of one bucket.
type item struct {
	name  string // as subject names it: EVENTS
	shown string // as people know it: HUB_EVENTS
	want  jetstream.StreamConfig
}

// table is everything that hubmesh keeps in NATS. A new stream or bucket is
// one more line.
func table(tree subject.Tree, cfg Config) []item {
	cfg = cfg.withDefaults()
	bucket := func(name string, shape func(subject.Tree, Config, string) jetstream.StreamConfig) item {
		return item{name, tree.Bucket(name), shape(tree, cfg, name)}
	}
	return []item{
		{subject.Events, tree.Stream(subject.Events), events(tree, cfg)},
		bucket(subject.Gateways, followed),
		bucket(subject.Policy, followed),
		bucket(subject.Relations, followed),
		bucket(subject.Revoked, followed),
		bucket(subject.Quota, memory),
		bucket(subject.Here, followed),
		{subject.Tellings, tree.Stream(subject.Tellings), tellings(tree, cfg)},
		{subject.Clients, tree.Stream(subject.Clients), clients(tree, cfg)},
	}
}

// duplicates is how long JetStream knows a Nats-Msg-Id again.
const duplicates = 2 * time.Minute

// clientsAge is how long a connection's start and end can be read.
const clientsAge = 24 * time.Hour

// events is the log of durable events. Purges and deletions are refused,
// because they are not republished: gateways would not hear of them. Rollups
// and TTLs are off, because any publisher could ask for them in a header.
func events(tree subject.Tree, cfg Config) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              tree.Stream(subject.Events),
		Description:       "durable events of all rooms",
		Subjects:          []string{tree.EventAll()},
		RePublish:         &jetstream.RePublish{Source: below(tree.EventAll()), Destination: below(tree.StoredAll())},
		Storage:           jetstream.FileStorage,
		Replicas:          cfg.Replicas,
		Discard:           jetstream.DiscardOld,
		MaxAge:            cfg.EventMaxAge,
		MaxMsgsPerSubject: int64(cfg.EventMaxPerRoom),
		MaxBytes:          cfg.EventMaxBytes,
		MaxMsgs:           -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Duplicates:        min(duplicates, cfg.EventMaxAge),
		DenyDelete:        true,
		DenyPurge:         true,
		AllowDirect:       true,
	}
	c.Metadata = map[string]string{limitsKey: limits(c)}
	return c
}

// below is the pattern with ">" for its two wildcards: NATS republishes from
// hub.event.> to hub.stored.>, but not from hub.event.*.* to hub.stored.*.*.
func below(all string) string { return strings.TrimSuffix(all, "*.*") + ">" }

// followed is a bucket that others follow: its records are republished, and a
// key that is deleted or expires leaves a marker, or followers would not learn
// of it. Apart from that it is what jetstream.CreateKeyValue makes.
func followed(tree subject.Tree, cfg Config, name string) jetstream.StreamConfig {
	all := tree.Key(name, ">")
	return jetstream.StreamConfig{
		Name:                   tree.BucketStream(name),
		Subjects:               []string{all},
		RePublish:              &jetstream.RePublish{Source: all, Destination: tree.Heard(name, ">")},
		Storage:                jetstream.FileStorage,
		Replicas:               cfg.Replicas,
		Discard:                jetstream.DiscardNew,
		MaxMsgsPerSubject:      1,
		MaxBytes:               -1,
		MaxMsgs:                -1,
		MaxMsgSize:             -1,
		MaxConsumers:           -1,
		Duplicates:             duplicates,
		DenyDelete:             true,
		AllowRollup:            true,
		AllowDirect:            true,
		AllowMsgTTL:            true,
		SubjectDeleteMarkerTTL: time.Minute,
	}
}

// memory is a bucket of figures that nobody follows and that may be lost. Keys
// expire by their own TTLs, without a marker. A single server forgets the
// bucket itself when it restarts, so its service must be able to make it.
func memory(tree subject.Tree, cfg Config, name string) jetstream.StreamConfig {
	c := followed(tree, cfg, name)
	c.RePublish, c.SubjectDeleteMarkerTTL = nil, 0
	c.Storage = jetstream.MemoryStorage
	c.MaxBytes, c.Discard = 64<<20, jetstream.DiscardOld
	return c
}

// tellings is what presence has told, the newest of each user in each room. It
// has no age limit, as one who stays is told once. It is shaped like a bucket
// without being one: presence writes by compare-and-set, and one who has left
// is a marker that goes by itself after a minute.
func tellings(tree subject.Tree, cfg Config) jetstream.StreamConfig {
	c := followed(tree, cfg, subject.Tellings)
	c.Name, c.Subjects = tree.Stream(subject.Tellings), []string{tree.TellAll()}
	c.Description = "what was last told of each user in each room"
	c.RePublish = &jetstream.RePublish{Source: tree.TellAll(), Destination: tree.ToldAll()}
	return c
}

// clients is the journal of connections. Backends read it by consumers of
// their own, so nothing of it is republished.
func clients(tree subject.Tree, cfg Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              tree.Stream(subject.Clients),
		Description:       "the start and the end of every connection",
		Subjects:          []string{tree.ClientAll()},
		Storage:           jetstream.FileStorage,
		Replicas:          cfg.Replicas,
		Discard:           jetstream.DiscardOld,
		MaxAge:            clientsAge,
		MaxMsgsPerSubject: -1,
		MaxBytes:          -1,
		MaxMsgs:           -1,
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
		Duplicates:        duplicates,
		DenyDelete:        true,
		DenyPurge:         true,
		AllowDirect:       true,
	}
}
