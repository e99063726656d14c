package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// devTTL is how long the tokens are valid that dev prints: nobody's first look
// shall end in the middle.
const devTTL = 7 * 24 * time.Hour

// dev runs the whole house.
type dev struct {
	mesh mesh.Config
	obs  obs.Config
	keys keys
}

// Help is what --help adds.
func (*dev) Help() string {
	return "Listens on loopback only, and keeps its data in .hubmesh. Prints addresses, tokens of two users, and two commands to try it with."
}

func (d *dev) bind(set *env.Set) {
	mesh.Bind(set, &d.mesh)
	obs.Bind(set, &d.obs, "")
	d.keys.bind(set)
}

// Run starts the mesh, says so, and serves it until ctx ends.
func (d *dev) Run(ctx context.Context, c console) error {
	kit := obs.Kit{Log: obs.Logger(c.Stderr, d.obs.Level, c.Terminal), Registry: obs.NewRegistry()}
	if err := d.complete(); err != nil {
		return err
	}
	var m *mesh.Mesh
	err := d.mountPage(kit, func() natsconn.Config { return m.Login(names.Backend) })
	if err != nil {
		return err
	}
	var ready obs.Readiness
	var servers []life.Server
	if d.obs.Listen != "" {
		admin, err := obs.Listen(d.obs, kit, ready.Ask)
		if err != nil {
			return err
		}
		defer admin.Close() //nolint:errcheck // Serve has closed it, unless nothing was served
		servers = append(servers, admin)
	}
	m, err = mesh.Start(ctx, d.mesh, kit)
	if m == nil && ctx.Err() != nil {
		return nil // told to end before it had begun
	}
	if used := (*datadir.InUse)(nil); errors.As(err, &used) {
		return usage{fmt.Errorf("%w: end that one, or set HUBMESH_DATA_DIR to another folder", used)}
	}
	if err != nil {
		return err
	}
	ready.Set(m.Gateways()[0].Ready)
	hello := life.Func(func(ctx context.Context) error {
		if err := d.greet(c, m); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	return life.Run(ctx, append(servers, m, hello)...)
}

// complete adds what only development has: a secret of its own where no key is
// configured, rooms for everyone, and metrics where clients connect.
func (d *dev) complete() (err error) {
	if !d.mesh.Authz.Keyed() {
		d.mesh.Authz.Secret, err = datadir.MakeSecret(d.mesh.Dir)
	}
	d.mesh.Authz.Open = []string{"lobby"}
	d.mesh.Gateway.Admin = d.obs.Listen == ""
	return err
}

func (d *dev) greet(c console, m *mesh.Mesh) error {
	b, err := d.banner(c, m)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Stdout, b.Text(c.Style)+"\n")
	return err
}
