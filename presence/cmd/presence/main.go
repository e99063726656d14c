// Command presence is the presence service as a program of its own.
package main

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func main() {
	var cfg presence.Config
	program.Main(program.Program{
		Name:  subject.Presence,
		About: "tells which gateways live. Run as many replicas as you like.",
		Admin: ":9102",
		Bind:  func(set *env.Set) { presence.Bind(set, &cfg) },
		Needs: func(ctx context.Context, nc *nats.Conn) error { return presence.Missing(ctx, cfg, nc) },
		Listen: func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (program.Server, error) {
			return presence.Listen(ctx, cfg, nc, kit)
		},
	})
}
