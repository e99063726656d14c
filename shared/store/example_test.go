package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// A service awaits what it reads before it begins. One that must be quick, as
// readiness must, asks what is missing.
func Example() {
	begin := func(ctx context.Context, nc *nats.Conn, tree subject.Tree, log *slog.Logger) error {
		return store.Await(ctx, nc, tree, store.Config{Replicas: 3}, log, subject.Events, subject.Gateways)
	}
	ready := func(ctx context.Context, nc *nats.Conn, tree subject.Tree) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return store.Missing(ctx, nc, tree, subject.Events, subject.Gateways)
	}
	_, _ = begin, ready
	fmt.Println(fmt.Errorf("HUB_EVENTS is %w", store.ErrMissing))
	// Output: HUB_EVENTS is missing: run hubmesh setup
}
