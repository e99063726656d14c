package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Setup makes every stream and bucket that is missing and brings the others to
// the shape that the services need. It needs admin rights, and may be run
// again at any time, by several at once too.
//
// Limits of what is there are left alone, and each difference is logged. Only
// if hubmesh set them itself and cfg now has more, they are raised, and the
// stream gets a new epoch.
func Setup(ctx context.Context, nc *nats.Conn, tree subject.Tree, cfg Config, log *slog.Logger) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("store: set up: %w", err)
	}
	for _, it := range table(tree, cfg) {
		info, err := it.ensure(ctx, js)
		if err != nil {
			return err
		}
		next, left := migrate(info.Config, it.want, rand.Text())
		if !reflect.DeepEqual(next, info.Config) {
			if _, err := js.UpdateStream(ctx, next); err != nil {
				return fmt.Errorf("store: change %s: %w", it.shown, err)
			}
			log.Info("store: changed", "stream", it.shown)
		}
		for _, d := range left {
			log.Warn("store: left as it is", "stream", it.shown, "what", d.what, "is", d.is, "configured", d.want)
		}
		warnOfOneReplica(info, it.shown, log)
	}
	return nil
}

// ensure returns what is there, or makes it.
func (it item) ensure(ctx context.Context, js jetstream.JetStream) (*jetstream.StreamInfo, error) {
	s, err := js.Stream(ctx, it.want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, it.want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another made it meanwhile, of another Config
			s, err = js.Stream(ctx, it.want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: make %s: %w", it.shown, err)
	}
	return s.CachedInfo(), nil
}

// warnOfOneReplica speaks of what dies with one node of a cluster. Only a
// cluster has a name.
func warnOfOneReplica(info *jetstream.StreamInfo, shown string, log *slog.Logger) {
	if info.Config.Replicas < 2 && info.Cluster != nil && info.Cluster.Name != "" {
		log.Warn("store: one replica in a cluster: what it holds is away or lost with its node; HUBMESH_REPLICAS=3 when it is made", "stream", shown)
	}
}
