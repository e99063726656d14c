package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	names "github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// why says what somebody may do in a room, and what decided.
type why struct {
	User   string   `arg:"" help:"User, such as ann."`
	Room   string   `arg:"" help:"Room, such as task:42."`
	Claims []string `name:"claim" sep:"none" placeholder:"NAME=VALUE" help:"Claim of the user's token, as hubmesh token takes it."`

	bus
}

// Help is what --help adds.
func (*why) Help() string {
	return "Asks the authz service that is running, so what it prints is what holds. Claims are those that you give: rights that come from a token's claims are seen only with them."
}

// Run asks, and prints a line a right.
func (w *why) Run(ctx context.Context, c console) error {
	if err := checkRoom(w.Room); err != nil {
		return err
	}
	if !names.ValidUser(w.User) {
		return usage{fmt.Errorf("%q is no user: want 1 to %d bytes without control characters", w.User, names.MaxUser)}
	}
	ask := wire.ExplainAsk{User: w.User, Room: w.Room, Claims: map[string]json.RawMessage{}}
	claims, err := readClaims(w.Claims)
	if err != nil {
		return usage{err}
	}
	for name, value := range claims {
		if ask.Claims[name], err = json.Marshal(value); err != nil {
			return usage{fmt.Errorf("--claim: %s: %w", name, err)}
		}
	}
	return w.use(ctx, c, busWait, func(ctx context.Context, l line) error {
		answer, err := natsconn.Call[wire.ExplainAnswer](ctx, l.nc, l.tree.Svc(names.Authz, "explain"), ask)
		if errors.Is(err, nats.ErrNoResponders) {
			return errors.New("no authz that explains is running there")
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c.Stdout, explained(w.User, w.Room, answer))
		return err
	})
}

// explained is the answer in words. Rights that were decided alike are told
// together.
func explained(user, room string, a wire.ExplainAnswer) string {
	var groups [][]wire.Right
	for _, right := range []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History} {
		if _, ok := a.Why[right]; !ok {
			continue
		}
		like := func(g []wire.Right) bool { return reflect.DeepEqual(a.Why[g[0]], a.Why[right]) }
		if i := slices.IndexFunc(groups, like); i >= 0 {
			groups[i] = append(groups[i], right)
			continue
		}
		groups = append(groups, []wire.Right{right})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s\n", user, room)
	for _, group := range groups {
		w := a.Why[group[0]]
		said := "may not"
		if w.Allow {
			said = "may"
		}
		fmt.Fprintf(&b, "  %s %s\n", said, listed(group))
		for _, note := range []struct{ what, text string }{
			{"rule", w.From + ": " + strings.Join(strings.Fields(w.Rule), " ")},
			{"relations", strings.Join(w.Chain, ", ")},
			{"claims", strings.Join(w.Claims, ", ")},
			{"fault", w.Error},
		} {
			if note.text != "" {
				fmt.Fprintf(&b, "    %-9s  %s\n", note.what, note.text)
			}
		}
	}
	return b.String()
}

func listed(rights []wire.Right) string {
	words := make([]string, len(rights))
	for i, r := range rights {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}
