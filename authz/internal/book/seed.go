package book

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// seedAgain is the pause after the bucket took no write, as while it has no
// leader.
const seedAgain = time.Second

// seed writes rules under keys that have no value. What is there holds, also
// when another replica was faster.
func seed(ctx context.Context, nc *nats.Conn, cfg Config, log *slog.Logger) error {
	if len(cfg.Seeds) == 0 {
		return nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("book: seed the policy: %w", err)
	}
	for _, typ := range slices.Sorted(maps.Keys(cfg.Seeds)) {
		for {
			seeded, err := plant(ctx, js, cfg.Tree.Bucket(subject.Policy), typ, cfg.Seeds[typ])
			if seeded {
				log.Info("book: policy is seeded", obs.Bucket, cfg.Tree.Bucket(subject.Policy), obs.Key, typ)
			}
			if err == nil {
				break
			}
			log.Warn("book: policy is not seeded yet", obs.Key, typ, obs.Err, err)
			select {
			case <-time.After(seedAgain):
			case <-ctx.Done():
				return fmt.Errorf("book: seed the policy of %s: %w", typ, err)
			}
		}
	}
	return nil
}

func plant(ctx context.Context, js jetstream.JetStream, bucket, typ string, value []byte) (seeded bool, err error) {
	policies, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return false, err
	}
	// Create compares and sets, also against the marker of a key that is deleted.
	_, err = policies.Create(ctx, typ, value)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return err == nil, err
}
