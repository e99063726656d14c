// Package client is one connection: it carries out what its session decides.
//
// It owns no goroutine and never blocks. socket calls it with what came and
// with the time; ask and relay call it back with answers; what the client is
// to hear goes into its outbox, which socket writes. Everything that happens
// to one connection happens one after the other (turns.go).
//
// Read client.go, then carry.go (what a session's decisions become), replay.go
// (how a room is entered by way of its past) and shares.go (what that may hold),
// rights.go and registry.go (whom a change of rights concerns), limits.go (what
// may pass) and pools.go // may pass), pools.go (users' tokens) and presence.go (who is there).
package client

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/gateway/internal/relay"
	"github.com/hubmesh/hubmesh/gateway/internal/rights"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config is what all connections of a gateway share.
type Config struct {
	Gateway     string
	FirstNumber uint64         // of the first connection; the next ones count up
	Session     session.Config // Connection and Gateway are set for each
	Messages    limit.Limit    // of one connection
	Signals     limit.Limit    // of one connection
	User        limit.Limit    // messages of a user, on all gateways together
	Now         func() time.Time
}

// House is what connections live in: the rooms, the ways to NATS, the users'
// tokens. Safe for concurrent use.
type House struct {
	cfg      Config
	rooms    *room.Rooms
	relay    *relay.Relay
	asker    *ask.Asker
	here     *here.Here
	meter    *meter.Meter
	log      *slog.Logger
	frame    room.Frame
	pools    *pools
	shares   shares
	desk     *rights.Desk
	gate     *rights.Gate
	revoked  *rights.Revoked
	registry *registry
	badLimit sync.Once // to warn of one that authz gives
	messages quota.Rule
	signals  quota.Rule
	number   atomic.Uint64
}

// New returns a house without connections.
func New(cfg Config, rooms *room.Rooms, r *relay.Relay, a *ask.Asker, p *here.Here, w *rights.Watch, framing room.Frame, m *meter.Meter, log *slog.Logger) *House {
	h := &House{
		cfg: cfg, rooms: rooms, relay: r, asker: a, here: p, meter: m, log: log, frame: framing,
		pools:    &pools{limit: cfg.User, asker: a, meter: m, now: cfg.Now, users: map[string]*pool{}},
		shares:   shares{free: replayBytes},
		messages: quota.MessageRule(cfg.Messages),
		signals:  quota.SignalRule(cfg.Signals),
		desk:     w.Desk, gate: w.Gate, revoked: w.Revoked, registry: newRegistry(),
	}
	h.number.Store(cfg.FirstNumber)
	return h
}

// Judge asks authz who brings a proof. A token that was revoked is none, also
// where authz has not heard of that yet.
func (h *House) Judge(q wire.ConnectAsk, answer func(wire.ConnectAnswer, frame.Problem)) {
	h.asker.Connect(q, func(a wire.ConnectAnswer, p frame.Problem) {
		if !p.Is() && !a.Allow {
			p = frame.Problem{Code: a.Code, Message: a.Message}
			if !p.Is() {
				p.Code = wire.Unauthorized
			}
		}
		if !p.Is() && h.revoked.Voids(a.User, a.Claims) {
			p = frame.Problem{Code: wire.Unauthorized, Message: "the token was revoked"}
		}
		answer(a, p)
	})
}

// Caller is who opens a connection, as far as the transport knows.
type Caller struct {
	Door   string
	IP     string
	Origin string
}

// Client is one connection.
type Client struct {
	turns
	house  *House
	caller Caller
	talk   door.Talk
	sess   *session.Session
	member *room.Member
	pool   *pool      // nil until the user is known
	here   *here.Conn // likewise

	listing listing  // guarded by the registry
	granted *granted // nil: the house's limits hold

	replays  map[string]*replay // by room key; rooms that are entered by way of their past
	reads    time.Time          // since when it reads what was replayed to it; zero: it has all
	messages quota.Bucket
	signals  quota.Bucket
	parked   []frame.In // waits for tokens of the user
	told     time.Time  // when rate_limited was last told as an event
	posts    uint64     // durable events, for their ids
	why      string     // a backend's words for the end that it has asked for

	stays map[session.Tag][]*here.Stay // rosters that are about to be told
}

// Open makes a connection that a client has opened. admitted is authz's answer
// when the handshake brought a proof, nil when the first frame has to.
func (h *House) Open(caller Caller, hello door.Hello, admitted *wire.ConnectAnswer) *Client {
	now := h.cfg.Now()
	id := h.cfg.Gateway + "-" + strconv.FormatUint(h.number.Add(1)-1, 10)
	cfg := h.cfg.Session
	cfg.Connection, cfg.Gateway = id, h.cfg.Gateway
	c := &Client{
		house: h, caller: caller, talk: hello.Talk, sess: session.New(cfg, now),
		member: &room.Member{ID: id, Profile: hello.Talk.Profile(), Outbox: room.NewOutbox()},
	}
	c.init()
	h.meter.Opened()
	c.do(func() {
		c.write(c.talk.Open())
		if admitted != nil {
			c.grant(admitted.Limits)
			c.carry(c.sess.Admit(now, *admitted, hello.Since))
		}
	})
	h.log.Debug("client: opened", obs.Conn, id, obs.Door, caller.Door)
	return c
}

// ID is the connection's.
func (c *Client) ID() string { return c.member.ID }

// Outbox is what is to be written to the client.
func (c *Client) Outbox() *room.Outbox { return c.member.Outbox }

// Hear takes one message of the client.
func (c *Client) Hear(p door.Packet) {
	c.house.meter.In.Inc()
	c.do(func() {
		asks, now := c.talk.Hear(p)
		c.write(now)
		for _, ask := range asks {
			c.ask(ask)
		}
	})
}

// Tick tells what time it is, about once a second.
func (c *Client) Tick(now time.Time) {
	c.do(func() {
		c.write(c.talk.Pulse(now))
		c.carry(c.sess.Tick(now))
		if c.hogs(now) {
			c.carry(c.sess.End(frame.TooSlow))
		}
	})
	if n := c.Outbox().Thrown(); n > 0 {
		c.house.meter.Thrown.Add(float64(n))
	}
}

// Tell tells the client something that it did not ask for.
func (c *Client) Tell(o frame.Out) { c.do(func() { c.say(o) }) }

// End ends the connection: what waits is written, then it is closed.
func (c *Client) End(e frame.End) { c.do(func() { c.carry(c.sess.End(e)) }) }

// Bye is the door's last words for an end that the outbox gave.
func (c *Client) Bye(e frame.End) (last []byte, code int, reason string) {
	c.do(func() {
		c.carry(c.sess.End(e)) // decided elsewhere; nothing more is heard from here on
		var packets []door.Packet
		packets, code, reason = c.talk.Bye(e)
		if e == frame.Revoked && c.why != "" {
			reason = c.why
		}
		if len(packets) > 0 {
			last = c.house.frame(packets)
		}
	})
	c.house.meter.Ended(e)
	return last, code, reason
}

// Closed says that the transport is gone. It is called once, last.
func (c *Client) Closed() {
	c.do(func() {
		c.carry(c.sess.End(frame.GoingAway))
		c.parked, c.replays, c.stays = nil, nil, nil
		c.depart()
	})
	c.house.rooms.Remove(c.member)
	c.house.registry.leave(c)
	if c.pool != nil {
		c.house.pools.leave(c.sess.User())
	}
	c.house.meter.Closed()
	c.house.log.Debug("client: closed", obs.Conn, c.ID())
}
