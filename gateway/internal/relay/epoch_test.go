package relay

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// gatewayOf runs a relay and what it needs over nc, until the test ends.
func gatewayOf(t *testing.T, nc *nats.Conn, id string) (*Relay, *room.Rooms) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	asker, err := natsconn.NewAsker(nc)
	if err != nil {
		t.Fatal(err)
	}
	rooms := room.New(func(p []door.Packet) []byte { return p[0].Data })
	cfg := Config{Gateway: id, Follow: follow.Config{Silence: 50 * time.Millisecond}}
	r, err := Listen(t.Context(), cfg, nc, asker, subject.Tree{}, rooms, meter.New(obs.NewRegistry()), log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 2)
	go func() { ended <- asker.Serve(ctx) }()
	go func() { ended <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return r, rooms
}

func position(rooms *room.Rooms) frame.Position { return rooms.Past("", frame.Position{}).At }

// reach asks until a gateway's position is good, since nobody is told of it.
func reach(t *testing.T, what string, rooms *room.Rooms, good func(frame.Position) bool) frame.Position {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		at := position(rooms)
		if good(at) {
			return at
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: the position is %+v", what, at)
		}
	}
}

// replaceable is a server that becomes another while clients are cut off.
type replaceable struct{ *server.Server }

func TestAfterTheLogLostItsEndNoPositionFromBeforeIsRecovered(t *testing.T) {
	dir, saved := t.TempDir(), t.TempDir()
	boot := func(from string) *server.Server {
		return natstest.Server(t, func(o *server.Options) { o.StoreDir = from })
	}
	now := &replaceable{boot(dir)}
	wire := natstest.NewWire(t, now)
	nc := wire.Conn(t)
	if err := store.Setup(t.Context(), nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(count int) {
		t.Helper()
		for range count {
			if _, err := js.Publish(t.Context(), "hub.event.task.42", []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(from string, before func()) {
		t.Helper()
		back := nc.StatusChanged(nats.CONNECTED)
		wire.Cut()
		now.Shutdown()
		now.WaitForShutdown()
		before()
		now.Server = boot(from)
		wire.Mend()
		<-back
	}
	publish(10)
	replace(dir, func() {
		if err := os.CopyFS(saved, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	})
	_, first := gatewayOf(t, wire.Conn(t), "g1")
	_, second := gatewayOf(t, wire.Conn(t), "g2")
	publish(10)
	known := reach(t, "before", first, func(p frame.Position) bool { return p.Offset == 20 })
	reach(t, "before", second, func(p frame.Position) bool { return p.Offset == 20 })

	replace(saved, func() {}) // the end of the log is lost: offsets 11 to 20 come again
	marked := func(p frame.Position) bool { return strings.HasPrefix(p.Epoch, known.Epoch+".") && p.Offset >= 11 }
	reach(t, "g1 after", first, marked)
	reach(t, "g2 after", second, marked)
	publish(15)
	one := reach(t, "g1 later", first, func(p frame.Position) bool { return p.Offset >= 26 })
	two := reach(t, "g2 later", second, func(p frame.Position) bool { return p.Offset >= 26 })
	third, late := gatewayOf(t, wire.Conn(t), "g3") // it never saw the log fall
	if three := position(late); one.Epoch != two.Epoch || two.Epoch != three.Epoch {
		t.Errorf("gateways tell the epochs %q, %q and %q, want one", one.Epoch, two.Epoch, three.Epoch)
	}
	answers := make(chan bool, 2)
	answer := func(_ Span, recovered bool) { answers <- recovered }
	room := subject.Room{Type: "task", ID: "42"}
	third.Judge(room, known, "nobody", answer)
	third.Judge(room, frame.Position{Epoch: one.Epoch, Offset: 15}, "nobody", answer)
	if <-answers {
		t.Error("a position from before the fall was recovered")
	}
	if !<-answers {
		t.Error("a position from after the fall was not recovered")
	}
}
