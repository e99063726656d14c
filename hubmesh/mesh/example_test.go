package mesh_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/obs"
)

func Example() {
	dir, err := os.MkdirTemp("", "mesh")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder of the system's for such
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	m, err := mesh.Start(ctx, mesh.Config{
		Dir: dir, NATSListen: "127.0.0.1:0", Gateways: 2,
		Gateway: gateway.Config{Listen: "127.0.0.1:0", ID: "g"},
		Authz:   authz.Config{Secret: "a secret that is long enough for HS256"},
	}, obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, g := range m.Gateways() {
		fmt.Println(g.ID(), "takes clients")
	}
	stop() // a signal, most times
	fmt.Println("ended:", m.Serve(ctx))
	// Output:
	// g takes clients
	// g-2 takes clients
	// ended: <nil>
}
