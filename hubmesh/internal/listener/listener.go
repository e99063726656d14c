// Package listener hears rooms for as long as it is asked to: when the
// connection ends it comes back, and asks for what it missed meanwhile.
//
// It publishes nothing and shows nothing; it tells a Teller. Read this file
// first, then session.go (one connection), places.go (what was heard) and
// again.go (whether and when to come back).
package listener

import (
	"context"
	"errors"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// Config says what to hear, and how patient to be.
type Config struct {
	// Hub is asked before each connection how to connect, since a token may
	// have expired meanwhile. Its Since is set by the listener.
	Hub func() (hub.Config, error)

	Rooms []string // beside those that every connection is in

	// A connection that fails is tried again after AgainLeast, and twice as
	// much each time up to AgainMost, half of it at random, so that many do not
	// come at once. 0 means 200 ms and 10 s.
	AgainLeast, AgainMost time.Duration

	AskWait time.Duration // bound of one answer of the gateway; 0 means 10 s
}

func (c Config) withDefaults() Config {
	if c.AgainLeast == 0 {
		c.AgainLeast = 200 * time.Millisecond
	}
	if c.AgainMost == 0 {
		c.AgainMost = 10 * time.Second
	}
	if c.AskWait == 0 {
		c.AskWait = 10 * time.Second
	}
	return c
}

// Teller is told what happens, by one goroutine. It may take its time: the
// gateway waits, and at last closes the connection, which then comes back with
// what was missed.
type Teller interface {
	Connected(hub.Connected)
	Entered(hub.Subscribed)
	Event(hub.Event)
	Away(why error, again time.Duration) // the connection ended; the next is tried in so long
}

// ErrDenied is wrapped by Run's error when the gateway let it into none of the
// rooms.
var ErrDenied = errors.New("not let into any of the rooms")

// Run hears until ctx ends, which is no error, or until coming back is of no
// use: the token is refused, no room may be entered, or the gateway was not
// there at all.
func Run(ctx context.Context, cfg Config, tell Teller) error {
	cfg = cfg.withDefaults()
	s := session{cfg: cfg, tell: tell, heard: places{}}
	for failures := 0; ; failures++ {
		s.connected, s.pause = false, 0
		err := s.run(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // we were told to end: how the connection did concerns nobody
		}
		if s.connected {
			failures = 0
		}
		if final(err) || !s.ever {
			return err
		}
		wait := cfg.again(failures, err, s.pause)
		tell.Away(err, wait)
		later := time.NewTimer(wait)
		select {
		case <-later.C:
		case <-ctx.Done():
			later.Stop()
			return nil
		}
	}
}
