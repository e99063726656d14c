package relay

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says how a relay behaves. The zero Config is ready.
type Config struct {
	Gateway string        // this gateway's id
	Settle  time.Duration // how long a page of old events waits for clients to take the one before; 0 means 1s
	Store   time.Duration // how long a durable event is tried to be stored, then unavailable; 0 means 10s
	Attempt time.Duration // bound of one such try; 0 means 2s
	Follow  follow.Config // times and sizes; Stream and Heard are set by Listen
	Past    *nats.Conn    // by which the past is read, so that nothing else waits for it; nil means the same as the rest
	Gate    Gate          // nil: what is heard goes on at once
}

// Gate says when what is heard may go on to members: not while it is in doubt
// who they may be. Durable events wait for it, signals are dropped.
type Gate interface {
	Wait()
	Open() bool
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p   *time.Duration
		def time.Duration
	}{{&c.Settle, time.Second}, {&c.Store, 10 * time.Second}, {&c.Attempt, 2 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	return c
}

// Relay carries events both ways. Safe for concurrent use.
type Relay struct {
	cfg    Config
	nc     *nats.Conn
	past   *nats.Conn // reads of what was stored before
	asker  *natsconn.Asker
	tree   subject.Tree
	rooms  *room.Rooms
	meter  *meter.Meter
	log    *slog.Logger
	critic *critic

	follower *follow.Follower
	reader   *follow.Reader // of rooms' pasts
	subs     []*nats.Subscription
	pages    pages
	trails   *trails

	keeps       atomic.Pointer[keeps]
	mark        atomic.Uint64 // offset of the last mark; 0: none
	markSubject string
}

// Listen hears the log, signals, and what is said to single connections of
// this gateway. Events are handed on while Serve runs.
func Listen(ctx context.Context, cfg Config, nc *nats.Conn, asker *natsconn.Asker, tree subject.Tree, rooms *room.Rooms, m *meter.Meter, log *slog.Logger) (*Relay, error) {
	r := &Relay{
		cfg: cfg.withDefaults(), nc: nc, asker: asker, tree: tree, rooms: rooms, meter: m, log: log,
		critic: newCritic(m, log), pages: newPages(), markSubject: tree.Event(marks()),
	}
	for subj, hear := range map[string]nats.MsgHandler{
		tree.LiveAll():            r.signal,
		tree.ConnAll(cfg.Gateway): r.toOne,
	} {
		sub, err := nc.Subscribe(subj, hear)
		if err != nil {
			return nil, fmt.Errorf("relay: subscribe %s: %w", subj, err)
		}
		r.subs = append(r.subs, sub)
	}
	if err := natsconn.Flush(ctx, nc); err != nil {
		return nil, fmt.Errorf("relay: subscribe: %w", err)
	}
	if r.past = cfg.Past; r.past == nil {
		r.past = nc
	}
	what := r.cfg.Follow
	what.Stream, what.Heard = tree.Stream(subject.Events), tree.StoredAll()
	f, err := follow.Listen(ctx, nc, what, heard{r}, log)
	if err != nil {
		return nil, err
	}
	r.follower = f
	r.trails = newTrails(follow.NewReader(r.past, what), m, log)
	what.Page = room.PartEntries
	r.reader = follow.NewReader(r.past, what)
	if err := r.findMark(); err != nil {
		return nil, err
	}
	base, w := f.Position()
	r.trails.begin(base, w)
	rooms.Move(frame.Position{Epoch: r.epoch(base), Offset: w})
	return r, nil
}

// Serve hands events on until ctx ends.
func (r *Relay) Serve(ctx context.Context) error {
	err := life.Run(ctx, r.follower, &r.pages, r.trails)
	for _, s := range r.subs {
		if e := s.Unsubscribe(); e != nil && r.nc.IsConnected() {
			r.log.Warn("relay: unsubscribe", obs.Subject, s.Subject, obs.Err, e)
		}
	}
	return err
}

// heard takes the log for a Relay.
type heard struct{ r *Relay }

// Entry tells a durable event to its room.
func (h heard) Entry(e follow.Entry) {
	if h.r.cfg.Gate != nil {
		h.r.cfg.Gate.Wait()
	}
	h.r.trails.add(e)
	if e.Subject == h.r.markSubject {
		h.r.marked(e)
		return
	}
	h.r.rooms.Log(h.r.entry(e))
}

// entry is an entry of the log as rooms keep it. What is no event is complained
// of when the first is there to hear it; what is in no room is at once, as
// nobody ever will be.
func (r *Relay) entry(e follow.Entry) *room.Entry {
	key, of, ok := r.roomOf(e.Subject)
	return room.NewEntry(e.Seq, key, len(e.Data)+perEntry, func() (frame.Event, string, bool) {
		if !ok {
			return frame.Event{}, "", false
		}
		ev, except, why := readEvent(e.Header, e.Data)
		if why != "" {
			r.critic.drop(why, e.Subject)
			return ev, "", false
		}
		ev.Room, ev.Offset, ev.TimeMs = of.String(), e.Seq, e.Time.UnixMilli()
		return ev, except, true
	})
}

// roomOf reads the room in a subject, and complains of one that is no room's.
func (r *Relay) roomOf(subj string) (key string, of subject.Room, ok bool) {
	key, _ = r.tree.RoomKey(subj)
	if of, ok = subject.ParseKey(key); !ok {
		r.critic.drop(meter.NotRoom, subj)
	}
	return key, of, ok
}

// perEntry is about what an entry holds beside its payload, in bytes: headers,
// subject, and what leads to them.
const perEntry = 512

// Gone ends the connections that may have missed what cannot be read any more.
func (h heard) Gone(from, to uint64) {
	r := h.r
	r.meter.Repaired(meter.Gone, to-from+1)
	whole := r.wholeRooms(from)
	r.log.Warn("relay: events are gone before they were heard", "from", from, "to", to, "whole", len(whole))
	base, _ := r.follower.Position()
	r.trails.begin(base, to)
	r.rooms.Skip(frame.Position{Epoch: r.epoch(base), Offset: to}, whole,
		farewell("events were lost on the way: come back and reload"), frame.Restart)
}

// Reset goes on with another log.
func (h heard) Reset(epoch string, last uint64, why follow.Why) {
	r := h.r
	r.meter.Repaired(meter.Reset, 1)
	r.log.Warn("relay: the log begins anew", "why", string(why), "epoch", epoch, "last", last)
	r.trails.begin(epoch, last)
	if why == follow.Fell {
		r.fell(epoch, last)
		return
	}
	if err := r.findMark(); err != nil {
		// Without the mark the epoch may be another than other gateways tell,
		// and clients that come from there reload: no worse.
		r.log.Warn("relay: the mark of the log's epoch is not known", obs.Err, err)
	}
	r.begin(frame.Position{Epoch: r.epoch(epoch), Offset: last})
}

// Page lets clients take what was read back before more is read.
func (h heard) Page(ctx context.Context) { h.r.rooms.Settle(ctx, h.r.cfg.Settle) }

// comeBack is over how long clients that are all dismissed at once are asked
// to spread their return.
const comeBack = 5 * time.Second

// farewell makes server:shutdown for the n-th of so many clients.
func farewell(message string) func(n, of int) frame.Event {
	return func(n, of int) frame.Event {
		return frame.Shutdown(message, comeBack*time.Duration(n)/time.Duration(of))
	}
}

// signal tells a signal to its room.
func (r *Relay) signal(m *nats.Msg) {
	if r.cfg.Gate != nil && !r.cfg.Gate.Open() {
		return
	}
	key, of, ok := r.roomOf(m.Subject)
	if !ok {
		return
	}
	r.rooms.Tell(key, func() (frame.Event, string, bool) {
		e, except, why := readEvent(m.Header, m.Data)
		if why != "" {
			r.critic.drop(why, m.Subject)
			return e, "", false
		}
		e.Room = of.String()
		return e, except, true
	})
}

// toOne tells an event to one connection, and answers whether it is there.
func (r *Relay) toOne(m *nats.Msg) {
	e, _, why := readEvent(m.Header, m.Data)
	var answer *nats.Msg
	switch {
	case why != "":
		r.critic.drop(why, m.Subject)
		answer = &nats.Msg{Header: nats.Header{wire.HeaderError: {string(wire.Invalid)}}, Data: []byte("not an event: " + string(why))}
	case !r.rooms.TellOne(lastToken(m.Subject), e):
		answer = &nats.Msg{Header: nats.Header{wire.HeaderError: {"gone"}}}
	default:
		answer = &nats.Msg{Data: []byte("{}")}
	}
	if m.Reply == "" {
		return
	}
	if err := m.RespondMsg(answer); err != nil {
		r.log.Warn("relay: answer lost", obs.Subject, m.Subject, obs.Err, err)
	}
}
