package natsconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrAway is why a service is not ready that has no connection to NATS.
var ErrAway = errors.New("NATS is away")

// awayTold is how often a service that waits for NATS says so.
const awayTold = 5 * time.Second

// Await returns when nc is connected, and says in the log why it is not, now
// and every 5 s. It returns an error when ctx ended, or when NATS refused the
// login twice and the client gave up.
func Await(ctx context.Context, nc *nats.Conn, log *slog.Logger) error {
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	again := time.NewTicker(awayTold)
	defer again.Stop()
	for tell := true; ; {
		if nc.IsConnected() {
			return nil
		}
		if nc.IsClosed() {
			return closed(nc)
		}
		if tell {
			err := nc.LastError()
			if err == nil { // it has tried each server once, and does not say what it saw
				err = nats.ErrNoServers
			}
			log.Warn("natsconn: NATS is away", "addr", nc.Servers(), "err", err)
		}
		select {
		case <-changed:
			tell = false
		case <-again.C:
			tell = true
		case <-ctx.Done():
			return fmt.Errorf("natsconn: wait for NATS: %w", ctx.Err())
		}
	}
}

func closed(nc *nats.Conn) error {
	err := nc.LastError()
	if err == nil {
		err = nats.ErrConnectionClosed
	}
	return fmt.Errorf("natsconn: connection to NATS has ended: %w", err)
}

// Watch is a server that ends with an error when its connection is closed for
// good, as after a login that NATS refused twice: a service without NATS is
// deaf, and whoever runs it must hear of it.
type Watch struct{ NC *nats.Conn }

// Serve returns nil when ctx ends first.
func (w Watch) Serve(ctx context.Context) error {
	changed := w.NC.StatusChanged(nats.CLOSED)
	defer w.NC.RemoveStatusListener(changed)
	if w.NC.IsClosed() {
		return closed(w.NC)
	}
	select {
	case <-changed:
		return closed(w.NC)
	case <-ctx.Done():
		return nil
	}
}

// Drain closes nc when what it has heard is handled and what it said is sent,
// or after its drain timeout. While NATS is away there is nothing to wait for.
func Drain(nc *nats.Conn) error {
	changed := nc.StatusChanged(nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	err := nc.Drain()
	switch {
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting):
		return nil // it is closed
	case err != nil:
		return fmt.Errorf("natsconn: drain: %w", err)
	}
	<-changed
	return nil
}

// flushWait bounds one round trip to NATS.
const flushWait = 5 * time.Second

// Flush returns nil when NATS has taken all that was said, subscriptions too,
// within 5 s: from then on what others say is heard.
func Flush(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	if err := nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("natsconn: ask NATS: %w", err)
	}
	return nil
}
