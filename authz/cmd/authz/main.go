// Command authz is the authz service as a program of its own.
package main

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func main() {
	var cfg authz.Config
	program.Main(program.Program{
		Name:  subject.Authz,
		About: "says who may connect and who may enter. Run as many replicas as you like.",
		Admin: ":9103",
		Bind:  func(set *env.Set) { authz.Require(set, &cfg) },
		Needs: func(ctx context.Context, nc *nats.Conn) error { return authz.Missing(ctx, cfg, nc) },
		Listen: func(ctx context.Context, nc *nats.Conn, kit obs.Kit) (program.Server, error) {
			return authz.Listen(ctx, cfg, nc, kit)
		},
	})
}
