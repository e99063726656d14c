// Command gateway is the gateway service as a program of its own.
package main

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func main() {
	var cfg gateway.Config
	program.Main(program.Program{
		Name:  subject.Gateway,
		About: "holds client connections and translates them to NATS subjects. Run as many as there are clients for.",
		Admin: ":9101",
		Bind:  func(set *env.Set) { gateway.Bind(set, &cfg, ":8080") },
		Needs: func(ctx context.Context, nc *nats.Conn) error {
			tree, err := subject.Below(cfg.Prefix)
			if err != nil {
				return err
			}
			return store.Missing(ctx, nc, tree, subject.Events, subject.Gateways, subject.Policy, subject.Relations, subject.Revoked, subject.Tellings)
		},
		Listen: func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (program.Server, error) {
			return gateway.Listen(ctx, cfg, nc, kit)
		},
	})
}
