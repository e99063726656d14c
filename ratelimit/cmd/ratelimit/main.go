// Command ratelimit is the ratelimit service as a program of its own.
package main

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func main() {
	var cfg ratelimit.Config
	program.Main(program.Program{
		Name:  subject.Ratelimit,
		About: "says how much users may send, over all gateways. Run as many replicas as you like.",
		Admin: ":9104",
		Bind:  func(set *env.Set) { ratelimit.Bind(set, &cfg) },
		Needs: func(ctx context.Context, nc *nats.Conn) error { return ratelimit.Missing(ctx, cfg, nc) },
		Listen: func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (program.Server, error) {
			return ratelimit.Listen(ctx, cfg, nc, kit)
		},
	})
}
