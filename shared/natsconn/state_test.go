package natsconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

func TestAwaitReturnsWhenNATSIsThere(t *testing.T) {
	wire := natstest.NewWire(t, natstest.Server(t))
	wire.Cut()
	nc, err := natsconn.Open(natsconn.Config{URL: wire.URL()}, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	log, lines := io.Pipe()
	awaited := make(chan error, 1)
	go func() { awaited <- natsconn.Await(t.Context(), nc, slog.New(slog.NewTextHandler(lines, nil))) }()
	if n, err := log.Read(make([]byte, 1000)); err != nil || n == 0 {
		t.Fatalf("read its log: %d, %v", n, err)
	}
	wire.Mend()
	if err := <-awaited; err != nil || !nc.IsConnected() {
		t.Errorf("Await = %v, connected %v; want nil, true", err, nc.IsConnected())
	}
}

func TestAwaitTellsWhereItLooksButNoLogin(t *testing.T) {
	nc, err := natsconn.Open(natsconn.Config{URL: "nats://ann:secret@127.0.0.1:1"}, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	if err := natsconn.Await(ctx, nc, slog.New(slog.NewTextHandler(&log, nil))); !errors.Is(err, context.Canceled) {
		t.Errorf("Await = %v, want that its ctx ended", err)
	}
	if got := log.String(); !strings.Contains(got, "127.0.0.1:1") || strings.Contains(got, "secret") || strings.Contains(got, "err=<nil>") {
		t.Errorf("it logs %q, want the address, an error and no login", got)
	}
}

func TestWatchEndsWithItsConnection(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	ended := make(chan error, 1)
	go func() { ended <- natsconn.Watch{NC: nc}.Serve(t.Context()) }()
	nc.Close()
	if err := <-ended; err == nil {
		t.Error("its connection is closed: Serve = nil, want an error")
	}
	if err := (natsconn.Watch{NC: nc}).Serve(t.Context()); err == nil {
		t.Error("its connection was closed before: Serve = nil, want an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (natsconn.Watch{NC: natstest.Conn(t, s)}).Serve(ctx); err != nil {
		t.Errorf("its ctx ended: Serve = %v, want nil", err)
	}
}

func TestDrainHandlesWhatWasHeardAndCloses(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	const all = 1000
	handled := 0 // by the subscription's goroutine, which has ended after Drain
	if _, err := nc.Subscribe("x", func(*nats.Msg) { handled++ }); err != nil {
		t.Fatal(err)
	}
	for range all {
		if err := nc.Publish("x", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Drain(nc); err != nil || !nc.IsClosed() || handled != all {
		t.Errorf("Drain = %v, closed %v, handled %d; want nil, true, %d", err, nc.IsClosed(), handled, all)
	}
	if err := natsconn.Drain(nc); err != nil {
		t.Errorf("Drain of a closed connection = %v, want nil", err)
	}
	wire := natstest.NewWire(t, s)
	cut := wire.Conn(t)
	away := cut.StatusChanged(nats.RECONNECTING)
	wire.Cut()
	<-away
	if err := natsconn.Drain(cut); err != nil || !cut.IsClosed() {
		t.Errorf("Drain while NATS is away = %v, closed %v; want nil, true", err, cut.IsClosed())
	}
}
