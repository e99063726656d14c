package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// epochKey is where a stream's metadata hold what NewEpoch and Setup write.
const epochKey = "hubmesh-epoch"

// Epoch is an opaque short text, the same for everyone who asks, that changes
// when positions given before no longer tell what was missed: when the stream
// is made anew, when Setup raises what it keeps, after NewEpoch, and when
// somebody else changes how many events it keeps a room. The last is in it
// because a room with fewer events than its maximum counts as whole.
func Epoch(info *jetstream.StreamInfo) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", info.Created.UnixNano(), info.Config.Metadata[epochKey], info.Config.MaxMsgsPerSubject) // never fails
	return strconv.FormatUint(h.Sum64(), 36)
}

// NewEpoch gives the log of events a new epoch, as is due when its end may
// have been lost, for example after a power loss. Needs admin rights.
func NewEpoch(ctx context.Context, nc *nats.Conn, tree subject.Tree) error {
	name := tree.Stream(subject.Events)
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("store: new epoch of %s: %w", name, err)
	}
	s, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("store: new epoch of %s: %w", name, err)
	}
	cfg := withEpoch(s.CachedInfo().Config, rand.Text())
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("store: new epoch of %s: %w", name, err)
	}
	return nil
}

func withEpoch(cfg jetstream.StreamConfig, epoch string) jetstream.StreamConfig {
	return withMetadata(cfg, epochKey, epoch)
}

// withMetadata does not change the map of the configuration it is given.
func withMetadata(cfg jetstream.StreamConfig, key, value string) jetstream.StreamConfig {
	cfg.Metadata = maps.Clone(cfg.Metadata)
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	cfg.Metadata[key] = value
	return cfg
}
