// Package here is a gateway's side of presence: it reports how the connections
// of the gateway stand, hears what presence tells of users, and finds out who is
// in a room for those who ask.
//
// It decides nothing: session says who may be in a roster and who may know it,
// presence who is here. What is not known here is asked; what was not answered
// is reported again, however long that takes, while connections go on without
// it. An idle connection costs nothing on the bus, and ten thousand that come at
// once some tens of requests: one report has all that changed while the ones
// before it were under way.
//
//	client ─ Open, Appear, Say, End ─► standing ─ reports ─────► presence
//	       ◄─ who is in the room ───── rosters ◄─ hub.svc.… ────┤
//	       ◄─ presence:update ──────── hall ◄──── hub.told.> ───┘
//
// Read this file first (what clients' connections call), then report.go,
// roster.go and told.go.
package here

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/ask"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/hall"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/standing"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says who reports and how long is waited. Gateway and Now must be set.
type Config struct {
	Gateway string
	Now     func() time.Time
	Wait    time.Duration // how long a client waits until presence has taken up what it said and says who is in a room; 0 means 5s
	Follow  follow.Config // times and sizes; Stream and Heard are set by Listen
	Gate    Gate          // nil: what is told goes on at once
}

// Gate says when what is told may go on to members: not while it is in doubt who
// they may be.
type Gate interface {
	Wait()
	Open() bool
}

// Here is one gateway's. Its methods are safe for concurrent use; what they call
// back is called on other goroutines and must not block.
type Here struct {
	cfg      Config
	asks     *ask.Asker
	tree     subject.Tree
	hall     *hall.Hall
	meter    *meter.Meter
	log      *slog.Logger
	follower *follow.Follower
	wake     chan struct{} // holds one when there may be something to report

	mu      sync.Mutex // guards all below; nobody is asked or called while it is held
	book    *standing.Book
	conns   map[string]*Conn         // by id; those that book knows
	waiting map[*Conn]struct{}       // those with waits
	joins   map[*appearance]struct{} // those that are not known yet
	rosters map[string]*roster       // by room key: those that are wanted
	owed    int                      // as the meter has it
	over    bool                     // Serve has ended
	reports int                      // under way
	pause   time.Duration            // after a report that was not answered
	quiet   time.Time                // nothing is reported before
	asked   time.Time                // when somebody began to wait for idle
	idle    chan struct{}            // closed when nothing is owed; nil: nobody waits for that
}

// Conn is a connection as presence sees it.
type Conn struct {
	id, user string
	ear      *hall.Ear

	seq   uint64 // guarded by Here.mu: up to there HUB_PRESENCE has what presence answered for
	waits []wait // likewise
}

// Who is a connection that begins.
type Who struct {
	ID, User, Door, IP string
	Info               json.RawMessage // the token's claim of that name, or nil
}

// defaultWait is longer than an answer takes when thousands come at once and
// presence works off what they bring. Where nobody answers at all nobody waits.
const defaultWait = 5 * time.Second

// New returns a Here that takes note of connections, and neither reports nor
// hears anything until Listen and Serve.
func New(cfg Config, asks *ask.Asker, tree subject.Tree, framing room.Frame, m *meter.Meter, log *slog.Logger) *Here {
	if cfg.Wait == 0 {
		cfg.Wait = defaultWait
	}
	return &Here{
		cfg: cfg, asks: asks, tree: tree, hall: hall.New(framing), meter: m, log: log, wake: make(chan struct{}, 1),
		book: standing.New(), conns: map[string]*Conn{}, waiting: map[*Conn]struct{}{}, joins: map[*appearance]struct{}{}, rosters: map[string]*roster{},
	}
}

// Listen follows what presence tells, from now on. It is called before there are
// connections.
func (h *Here) Listen(ctx context.Context, nc *nats.Conn) (err error) {
	what := h.cfg.Follow
	what.Stream, what.Heard = h.tree.Stream(subject.Tellings), h.tree.ToldAll()
	if h.follower, err = follow.Listen(ctx, nc, what, heard{h}, h.log); err != nil {
		return fmt.Errorf("here: %w", err)
	}
	h.hall.Place(h.follower.Position())
	return nil
}

// Serve reports and hears until ctx ends. Listen was called before.
func (h *Here) Serve(ctx context.Context) error {
	err := life.Run(ctx, h.follower, life.Func(h.work))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.meter.Owed.Sub(float64(h.owed))
	h.owed, h.over = 0, true
	return err
}

// Open takes up a connection that was let in. It is told of its own user from
// now on. End must be called.
func (h *Here) Open(who Who, m *room.Member) *Conn {
	c := &Conn{id: who.ID, user: who.User, ear: &hall.Ear{Profile: m.Profile, Outbox: m.Outbox}}
	own := subject.User(who.User)
	h.hall.Watch(c.ear, own.Key(), own.String(), true)
	h.change(func() {
		h.conns[c.id] = c
		h.book.Begin(wire.PresenceStand{
			Connection: who.ID, User: who.User, Door: who.Door, IP: who.IP, Since: h.cfg.Now().UnixMilli(), Info: info(who.Info),
		})
	})
	return c
}

// mostInfo is how many bytes of a token's claim others are told.
const mostInfo = 1024

func info(claim json.RawMessage) json.RawMessage {
	if len(claim) > mostInfo || string(claim) == "null" {
		return nil
	}
	return claim
}

// Inform takes the claim of a newer token.
func (h *Here) Inform(c *Conn, claim json.RawMessage) {
	h.change(func() { h.book.Inform(c.id, info(claim)) })
}

// Say notes how the connection's user is, and calls done when presence has taken
// it up, or with the problem that it has not yet.
func (h *Here) Say(c *Conn, status wire.UserStatus, done func(frame.Problem)) {
	h.change(func() {
		h.await(c, h.book.Say(c.id, status), func(p frame.Problem) { done(p) })
	})
}

// Leave takes the connection out of the rosters of rooms, and lets it hear no
// more of those in them.
func (h *Here) Leave(c *Conn, rooms []subject.Room) {
	for _, r := range rooms {
		h.hall.Leave(c.ear, r.Key())
	}
	h.change(func() { h.book.Leave(c.id, names(rooms)) })
}

// Watch lets the connection hear how a user is, whose room it is in.
func (h *Here) Watch(c *Conn, r subject.Room) {
	if r != subject.User(c.user) {
		h.hall.Watch(c.ear, r.Key(), r.String(), false)
	}
}

// End notes that the connection has ended, and why. Its user may come back
// within the grace.
func (h *Here) End(c *Conn, reason string) {
	h.hall.Remove(c.ear)
	h.change(func() {
		h.book.End(c.id, wire.PresenceEnd{At: h.cfg.Now().UnixMilli(), Reason: reason, Grace: true})
		if h.book.Gone(c.id) {
			delete(h.conns, c.id)
		}
	})
}

// Again reports all connections anew: others have seen the gateway's lease end.
func (h *Here) Again() { h.change(h.book.Again) }

// Users asks which of some users are in a room's roster with the connection's.
func (h *Here) Users(c *Conn, users []string, answer func(frame.Here, frame.Problem)) {
	h.asks.Users(wire.PresenceUsersAsk{Users: users, For: c.user}, func(a wire.PresenceUsersAnswer, p frame.Problem) {
		answer(frame.Here{Users: a.Users}, p)
	})
}

// Page asks who is in a room, from those after a user on.
func (h *Here) Page(c *Conn, r subject.Room, after string, answer func(frame.Here, frame.Problem)) {
	h.mu.Lock()
	seq := c.seq
	h.mu.Unlock()
	h.asks.Room(wire.PresenceRoomAsk{Room: r.String(), After: after, User: c.user, AtLeast: seq}, func(a wire.PresenceRoomAnswer, p frame.Problem) {
		answer(frame.Here{Users: a.Users, Next: a.Next}, p)
	})
}

func names(rooms []subject.Room) []string {
	list := make([]string, len(rooms))
	for i, r := range rooms {
		list[i] = r.String()
	}
	return list
}
