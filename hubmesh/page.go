package main

import (
	"github.com/hubmesh/hubmesh/hubmesh/internal/demo"
	"github.com/hubmesh/hubmesh/hubmesh/internal/screen"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// mountPage puts the demo page beside the gateway's door. backend is how the
// page's button reaches NATS, asked when it is pressed.
func (d *dev) mountPage(kit obs.Kit, backend func() natsconn.Config) error {
	users, err := d.users()
	if err != nil {
		return err
	}
	cfg := demo.Config{Prefix: d.mesh.Prefix, Login: backend, Log: kit.Log}
	for _, u := range users {
		cfg.Users = append(cfg.Users, demo.User(u))
	}
	d.mesh.Gateway.Demo, err = demo.Handler(cfg)
	return err
}

// users is whom to try it as; nobody where tokens are checked with public keys,
// as we cannot make one then.
func (d *dev) users() (all []screen.User, err error) {
	if d.mesh.Authz.Secret == "" {
		return nil, nil
	}
	for _, name := range []string{"ann", "bob"} {
		token, err := d.keys.mint(name, tryRooms(), devTTL)
		if err != nil {
			return nil, err
		}
		all = append(all, screen.User{Name: name, Token: token})
	}
	return all, nil
}
