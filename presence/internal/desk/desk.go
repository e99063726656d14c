// Package desk is a replica's knowledge of who is here, and the work that
// comes with it: it follows HUB_PRESENCE and HUB_TOLD, tells what has changed,
// sees every connection to its end, and keeps users' statuses while their
// connections come and go.
//
// Nothing it does is its own: all replicas see the same work in the same logs,
// each piece of it is one record that is stored by compare-and-set, and who
// loses looks again. So any of them may be killed at any moment. Only so that
// they do not all do everything, a replica does at once what its own record
// has led to, and leaves the rest to the others for Config.Watch.
//
//	HUB_PRESENCE ─► roster ─┬─► touched ─► tell ──► HUB_TOLD ─► view ─► heard
//	                        ├─► heirs ───► keep ──► HUB_PRESENCE
//	                        └─► ended ───► finish ► HUB_CLIENTS, HUB_PRESENCE
//
// The life of a connection's key:
//
//	stays            written by reports of its gateway
//	ended, not told  the end waits to be recorded in HUB_CLIENTS
//	ended, told      with grace: NATS ends the key after 5 s, and the user has
//	                 left at that record; without: a marker, at once
//
// It answers nobody and hears no gateway: serve does. Read this file first,
// then logs.go (what is heard), chores.go (what is to be done, and when),
// tell.go, end.go and sweep.go (what is done).
package desk

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/meter"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/presence/internal/spelling"
	"github.com/hubmesh/hubmesh/presence/internal/told"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/life"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says what is followed and how long is waited. Now must be set.
type Config struct {
	Tree   subject.Tree
	Follow follow.Config // times and sizes
	Now    func() time.Time
	Watch  time.Duration // how long others have for what their record has led to; 0 means 200ms
}

// Grace is how long one whose last connection has ended has not left.
const Grace = 5 * time.Second

// marker is how long it can be read that a connection has ended.
const marker = time.Minute

// most is how much is done at once.
const most = 1024

// Known is what a replica knows. It may be looked at while Desk.Read runs.
type Known struct {
	Roster *roster.Roster
	View   *told.View
	Here   told.Position // of HUB_PRESENCE
	Told   told.Position // of HUB_TOLD
}

// Desk is one replica's. Its methods are safe for concurrent use.
type Desk struct {
	cfg    Config
	nc     *nats.Conn
	ledger *ledger.Ledger
	meter  *meter.Meter
	log    *slog.Logger
	here   *follow.Follower
	told   *follow.Follower
	ends   *follow.Reader // of HUB_CLIENTS
	slots  chan struct{}  // what is being done

	mu     sync.Mutex // guards what is below; nobody is asked and nothing is waited for while it is held
	known  Known
	whole  bool // both logs are known to their ends, as far as one can know
	chores *chores
	waits  waits

	users, conns int // as the meter has them; of the goroutine of work
}

// Listen returns when all that both logs hold is known. Serve must be called.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, l *ledger.Ledger, m *meter.Meter, log *slog.Logger) (*Desk, error) {
	if cfg.Watch == 0 {
		cfg.Watch = 200 * time.Millisecond
	}
	clients := cfg.Follow
	clients.Stream = cfg.Tree.Stream(subject.Clients)
	d := &Desk{
		cfg: cfg, nc: nc, ledger: l, meter: m, log: log,
		ends: follow.NewReader(nc, clients), slots: make(chan struct{}, most),
		known:  Known{Roster: roster.New(), View: told.New()},
		chores: newChores(), waits: waits{users: map[string][]chan struct{}{}},
	}
	if err := d.listen(ctx); err != nil {
		return nil, err
	}
	d.known.Told.Epoch, _ = d.told.Position()
	d.known.Here.Epoch, _ = d.here.Position()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.complete()
	return d, nil
}

// listen reads both logs, at once.
func (d *Desk) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tree := d.cfg.Tree
	words := d.cfg.Follow
	words.Stream, words.Heard, words.FromStart = tree.Stream(subject.Tellings), tree.ToldAll(), true
	here := d.cfg.Follow
	here.Stream, here.Heard, here.FromStart = tree.BucketStream(subject.Here), tree.Heard(subject.Here, "*.*.*"), true
	var wordsErr, hereErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		if d.told, wordsErr = follow.Listen(ctx, d.nc, words, toldLog{d, spelling.NewReader()}, d.log); wordsErr != nil {
			cancel()
		}
	})
	d.here, hereErr = follow.Listen(ctx, d.nc, here, hereLog{d, tree.Key(subject.Here, ""), spelling.NewReader()}, d.log)
	if hereErr != nil {
		cancel()
	}
	reading.Wait()
	return errors.Join(wordsErr, hereErr)
}

// Serve follows and works until ctx ends and what is under way is done.
func (d *Desk) Serve(ctx context.Context) error {
	err := life.Run(ctx, d.told, d.here, life.Func(d.work))
	d.count(0, 0) // others may share the gauges
	return err
}

// Whole reports whether both logs are known to their ends. They are not for a
// while after one was made anew, or after so long a cut from NATS that it is
// read anew.
func (d *Desk) Whole() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.whole
}

// Read lets look at what is known, and reports false, without calling look,
// while too little is. look must not block nor keep what it was given.
func (d *Desk) Read(look func(Known)) (whole bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.whole {
		look(d.known)
	}
	return d.whole
}

// complete is called under mu when both logs are known to their ends: whatever
// nobody did is found, and done by whoever is first.
func (d *Desk) complete() {
	if d.whole {
		return
	}
	d.whole = true
	for of := range d.known.View.Differs(d.known.Roster) {
		d.chores.add(chore{kind: tell, of: of}, d.later(), true)
	}
	for key := range d.known.Roster.Keys(func(_ string, end *wire.PresenceEnd, told bool) bool { return end != nil && !told }) {
		d.chores.add(chore{kind: finish, key: key}, d.later(), true)
	}
	for user := range d.known.Roster.Names() {
		d.inherit(user, d.later())
	}
}

// count brings the meter's gauges to so many.
func (d *Desk) count(users, conns int) {
	d.meter.Users.Add(float64(users - d.users))
	d.meter.Connections.Add(float64(conns - d.conns))
	d.users, d.conns = users, conns
}

// later is when a replica does what another may be doing.
func (d *Desk) later() time.Time {
	return time.Now().Add(d.cfg.Watch + rand.N(d.cfg.Watch)) //nolint:gosec // spreads replicas, hides nothing
}

// inherit notes which of the user's connections must still be given the status.
func (d *Desk) inherit(user string, due time.Time) {
	for _, key := range d.known.Roster.Heirs(user) {
		d.chores.add(chore{kind: keep, key: key}, due, false)
	}
}
