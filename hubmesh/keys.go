package main

import (
	"errors"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/shared/env"
)

// keys is what tokens are made with: the configured secret, or the one that
// hubmesh dev keeps in its folder.
type keys struct {
	authz authz.Config
	dir   string
}

func (k *keys) bind(set *env.Set) {
	authz.Bind(set, &k.authz)
	datadir.Bind(set, &k.dir)
}

// mint makes a token. Without any secret the error wraps datadir.ErrNoSecret.
func (k *keys) mint(user string, claims map[string]any, ttl time.Duration) (string, error) {
	secret := k.authz.Secret
	if secret == "" && k.authz.Keyed() {
		return "", errors.New("tokens are checked with public keys here, so we cannot make one: bring it with --token")
	}
	if secret == "" {
		var err error
		if secret, err = datadir.Secret(k.dir); err != nil {
			return "", err
		}
	}
	all := map[string]any{}
	if k.authz.Issuer != "" {
		all["iss"] = k.authz.Issuer
	}
	if k.authz.Audience != "" {
		all["aud"] = k.authz.Audience
	}
	for name, value := range claims {
		all[name] = value
	}
	return authz.Mint(secret, user, all, ttl, time.Now())
}

// where says which secret is used.
func (k *keys) where() string {
	if k.authz.Secret != "" {
		return "HUBMESH_JWT_SECRET"
	}
	return k.dir
}

// tryRooms is the claims of tokens to try things out with.
func tryRooms() map[string]any {
	return map[string]any{"rooms": []string{"task:*", "project:*", "team:*"}}
}
