// Package control lets backends see connections, end them, put them into rooms
// and take them out, on whichever gateways they are.
//
// Any gateway takes a question of a backend, asks all gateways (itself too) and
// gathers their parts into one answer. It does nothing to a connection itself:
// House does.
//
//	backend ─ hub.ctl.conn.<verb> ─► one gateway ─ hub.gw.ctl.<verb> ─► all
//	        ◄── one answer ──────── gather ◄────── a part of each ─────┘
//
// Read this file first, then gather.go.
package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// House is the connections of this gateway. Control must not block, may be
// called by several goroutines at once, and calls done once, with what it
// touched.
type House interface {
	Control(verb wire.CtlVerb, ask wire.CtlAsk, done func([]wire.CtlConnection))
}

// Config says who asks, and for how long.
type Config struct {
	Gateway string        // this gateway's id
	Gather  time.Duration // how long parts are waited for; 0 means 900ms, so that the whole takes a second at most
}

// Control answers backends, and other gateways. It has no goroutine of its own.
type Control struct {
	cfg    Config
	nc     *nats.Conn
	tree   subject.Tree
	house  House
	leases *follow.Reader
	log    *slog.Logger
	sub    *nats.Subscription
}

const defaultGather = 900 * time.Millisecond

// Listen returns when the gateway hears others and is about to be asked by
// backends; whoever flushes nc next knows that it is. Backends are answered
// until answers is stopped, gateways until Close.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, answers *natsconn.Answerer, tree subject.Tree, house House, log *slog.Logger) (*Control, error) {
	if cfg.Gather == 0 {
		cfg.Gather = defaultGather
	}
	c := &Control{
		cfg: cfg, nc: nc, tree: tree, house: house, log: log,
		leases: follow.NewReader(nc, follow.Config{Stream: tree.BucketStream(subject.Gateways)}),
	}
	var err error
	if c.sub, err = nc.Subscribe(tree.Control("*"), c.part); err != nil {
		return nil, fmt.Errorf("control: hear gateways: %w", err)
	}
	for _, verb := range wire.CtlVerbs() {
		answer := func(ctx context.Context, ask wire.CtlAsk) (wire.CtlAnswer, error) { return c.gather(ctx, verb, ask) }
		if err := natsconn.Answer(ctx, answers, "ctl-"+string(verb), tree.Ctl(string(verb)), 2*cfg.Gather, answer); err != nil {
			return nil, fmt.Errorf("control: %w", err)
		}
	}
	return c, nil
}

// Close lets the gateway hear others no more.
func (c *Control) Close() {
	if err := c.sub.Unsubscribe(); err != nil && c.nc.IsConnected() {
		c.log.Warn("control: unsubscribe", obs.Subject, c.sub.Subject, obs.Err, err)
	}
}

// check says what is wrong with an ask, or "".
func check(verb wire.CtlVerb, ask wire.CtlAsk) string {
	which := 0
	for _, text := range []string{ask.Connection, ask.User} {
		if text != "" {
			which++
		}
	}
	_, err := subject.ParseRoom(ask.Room)
	moves := verb == wire.CtlJoin || verb == wire.CtlLeave
	switch {
	case moves && which != 1:
		return "want connection or user, one of them"
	case moves && err != nil:
		return "room is the one to " + string(verb) + ", type:id, such as task:42"
	case !moves && which == 0 && ask.Room == "" || which > 1 || !moves && which == 1 && ask.Room != "":
		return "want connection, user or room, one of them"
	case !moves && ask.Room != "" && err != nil:
		return "a room is type:id, such as task:42"
	case ask.User != "" && !subject.ValidUser(ask.User):
		return "user is none"
	}
	return ""
}

// part does this gateway's part and answers with it. Whoever asks has checked
// what it asks.
func (c *Control) part(m *nats.Msg) {
	verb := wire.CtlVerb(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
	var ask wire.CtlAsk
	if err := json.Unmarshal(m.Data, &ask); err != nil || check(verb, ask) != "" {
		c.log.Warn("control: not a question of a gateway", obs.Subject, m.Subject)
		return
	}
	c.house.Control(verb, ask, func(touched []wire.CtlConnection) {
		p := wire.CtlPart{Gateway: c.cfg.Gateway}
		p.Connections, p.More = fit(touched, c.most())
		body, err := json.Marshal(p)
		if err == nil {
			err = m.Respond(body)
		}
		if err != nil {
			c.log.Warn("control: answer lost", obs.Subject, m.Subject, obs.Err, err)
		}
	})
}

// aside is left of NATS's largest message for what stands around connections.
const aside = 16 << 10

// most is how many bytes of connections fit into one answer.
func (c *Control) most() int { return max(int(c.nc.MaxPayload())-aside, aside) }

// fit returns as many connections as fit, and how many do not.
func fit(list []wire.CtlConnection, bytes int) (some []wire.CtlConnection, more int) {
	for i, one := range list {
		body, err := json.Marshal(one)
		if err != nil {
			panic("control: spell a connection: " + err.Error()) // texts
		}
		if bytes -= len(body) + 1; bytes < 0 {
			return list[:i], len(list) - i
		}
	}
	return list, 0
}
