package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// gather asks all gateways and returns their parts as one, when those who must
// answer have, or the time is up.
func (c *Control) gather(ctx context.Context, verb wire.CtlVerb, ask wire.CtlAsk) (wire.CtlAnswer, error) {
	if why := check(verb, ask); why != "" {
		return wire.CtlAnswer{}, &natsconn.Fault{Code: wire.Invalid, Text: why}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Gather)
	defer cancel()
	missing, err := c.expected(ctx, ask)
	if err != nil { // an answer could not say whom it lacks, so nothing is done
		c.log.Warn("control: which gateways live is not known", obs.Err, err)
		return wire.CtlAnswer{}, &natsconn.Fault{Code: wire.Unavailable, Text: "which gateways live is not known now: try again"}
	}
	parts, err := c.askAll(ctx, verb, ask, missing)
	if err != nil {
		return wire.CtlAnswer{}, err
	}
	all := wire.CtlAnswer{Connections: []wire.CtlConnection{}, Missing: slices.Sorted(maps.Keys(missing))}
	for _, p := range parts {
		all.Connections = append(all.Connections, p.Connections...)
		all.More += p.More
	}
	slices.SortFunc(all.Connections, func(a, b wire.CtlConnection) int { return cmp.Compare(a.Connection, b.Connection) })
	some, more := fit(all.Connections, c.most())
	all.Connections, all.More = some, all.More+more
	return all, nil
}

// askAll asks, and takes out of missing whoever answers, until it is empty or
// the time is up.
func (c *Control) askAll(ctx context.Context, verb wire.CtlVerb, ask wire.CtlAsk, missing map[string]bool) (parts []wire.CtlPart, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("control: spell a question: %w", err)
	}
	inbox := c.nc.NewInbox()
	heard := make(chan *nats.Msg, 1024) // gateways
	sub, err := c.nc.ChanSubscribe(inbox, heard)
	if err != nil {
		return nil, fmt.Errorf("control: hear answers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
	if err := c.nc.PublishRequest(c.tree.Control(string(verb)), inbox, body); err != nil {
		return nil, fmt.Errorf("control: ask gateways: %w", err)
	}
	for len(missing) > 0 {
		select {
		case m := <-heard:
			var p wire.CtlPart
			if err := json.Unmarshal(m.Data, &p); err != nil || p.Gateway == "" {
				c.log.Warn("control: not an answer of a gateway", obs.Err, err)
				continue
			}
			parts = append(parts, p)
			delete(missing, p.Gateway)
		case <-ctx.Done():
			return parts, nil
		}
	}
	return parts, nil
}

// expected is the gateways that must answer: all that live, or the one whose
// connection is meant.
func (c *Control) expected(ctx context.Context, ask wire.CtlAsk) (map[string]bool, error) {
	living, err := c.living(ctx)
	if err != nil {
		return nil, err
	}
	living[c.cfg.Gateway] = true
	if i := strings.LastIndexByte(ask.Connection, '-'); i >= 0 {
		if owner := ask.Connection[:i]; living[owner] {
			return map[string]bool{owner: true}, nil
		}
	}
	return living, nil
}

// slack is more leases than are renewed while they are read.
const slack = 1 << 12

// living reads the gateways that hold a lease.
func (c *Control) living(ctx context.Context) (map[string]bool, error) {
	st, err := c.leases.State(ctx)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	gateways := map[string]bool{}
	for after := uint64(0); after < st.Last; {
		page, err := c.leases.Read(ctx, st.Epoch, "", after, st.Last+slack)
		if errors.Is(err, follow.ErrChanged) {
			break // the rest was renewed meanwhile, and is nowhere below the end any more
		}
		if err != nil {
			return nil, fmt.Errorf("control: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			id := strings.TrimPrefix(e.Subject, c.tree.Key(subject.Gateways, ""))
			if kv.Gone(e.Header) {
				delete(gateways, id)
			} else {
				gateways[id] = true
			}
			after = e.Seq
		}
	}
	return gateways, nil
}
