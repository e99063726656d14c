package relay

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// BenchmarkStoreDuringReplays is how long a durable event takes to be stored
// while pages of the past are read without a pause, over the same connection
// or another.
func BenchmarkStoreDuringReplays(b *testing.B) {
	for _, own := range []bool{false, true} {
		b.Run(fmt.Sprint("past on its own connection ", own), func(b *testing.B) {
			s, nc := natstest.Mesh(b)
			js, err := jetstream.New(nc)
			if err != nil {
				b.Fatal(err)
			}
			for range 1000 {
				if _, err := js.PublishMsg(b.Context(), &nats.Msg{Subject: "hub.event.task.a", Data: make([]byte, 2000)}); err != nil {
					b.Fatal(err)
				}
			}
			asker, err := natsconn.NewAsker(nc)
			if err != nil {
				b.Fatal(err)
			}
			cfg := Config{Gateway: gateway}
			if own {
				cfg.Past = natstest.Conn(b, s)
			}
			rooms := room.New(func(p []door.Packet) []byte { return p[0].Data })
			r, err := Listen(b.Context(), cfg, nc, asker, subject.Tree{}, rooms, meter.New(obs.NewRegistry()), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			from := frame.Position{Epoch: position(rooms).Epoch}
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			for range readers {
				wg.Go(func() {
					for ctx.Err() == nil {
						r.readPage(ctx, subject.Room{Type: "task", ID: "a"}, from, judged())
					}
				})
			}
			for b.Loop() {
				if _, err := js.PublishMsg(b.Context(), &nats.Msg{Subject: "hub.event.task.b", Data: []byte("1")}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
