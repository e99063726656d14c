package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/shared/env"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

// token makes a token.
type token struct {
	Sub    string        `required:"" placeholder:"USER" help:"User that it is for."`
	Claims []string      `name:"claim" sep:"none" placeholder:"NAME=VALUE" help:"Claim to put in, may be given again; a list between commas: teams=red,blue."`
	TTL    time.Duration `default:"1h" help:"How long it is valid; 0 for ever (${default})."`

	keys keys
}

// Help is what --help adds.
func (*token) Help() string {
	return "The built-in policy lets its user into the rooms that the claims teams, projects and tasks name by id, and rooms by name or type: --claim 'rooms=task:42,team:*'. A value that begins with { or [, and true, false and null, are JSON; all else is text."
}

func (k *token) bind(set *env.Set) { k.keys.bind(set) }

// Run prints the token, and nothing else.
func (k *token) Run(_ context.Context, c console) error {
	if !names.ValidUser(k.Sub) {
		return usage{fmt.Errorf("--sub: %q is no user: want 1 to %d bytes without control characters", k.Sub, names.MaxUser)}
	}
	if k.TTL < 0 {
		return usage{fmt.Errorf("--ttl: %v is below zero", k.TTL)}
	}
	claims, err := readClaims(k.Claims)
	if err != nil {
		return usage{err}
	}
	made, err := k.keys.mint(k.Sub, claims, k.TTL)
	if errors.Is(err, datadir.ErrNoSecret) {
		return fmt.Errorf("no secret to sign with: set HUBMESH_JWT_SECRET, or run this in the folder of `hubmesh dev`, which keeps one in %s", k.keys.dir)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, made)
	return err
}

// readClaims reads name=value pairs.
func readClaims(pairs []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim: %q: want name=value", pair)
		}
		if _, twice := claims[name]; twice {
			return nil, fmt.Errorf("--claim: %s is given twice: put a list's values between commas", name)
		}
		value, err := readClaim(text)
		if err != nil {
			return nil, fmt.Errorf("--claim: %s: %w", name, err)
		}
		claims[name] = value
	}
	return claims, nil
}

// readClaim reads a value. A number is text, as ids of rooms are.
func readClaim(text string) (any, error) {
	if text == "true" || text == "false" || text == "null" || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		var value any
		err := json.Unmarshal([]byte(text), &value)
		return value, err
	}
	if strings.Contains(text, ",") {
		return strings.Split(text, ","), nil
	}
	return text, nil
}
