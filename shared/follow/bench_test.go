package follow_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

// BenchmarkFollow is an event from publish to Entry, 256 in flight, server and
// publisher included.
func BenchmarkFollow(b *testing.B) {
	s, nc := natstest.Mesh(b)
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(256), jetstream.WithPublishAsyncTimeout(time.Minute))
	if err != nil {
		b.Fatal(err)
	}
	n := newNotebook(b)
	f := serve(b, natstest.Conn(b, s), events(), n)
	sent := uint64(0)
	body := make([]byte, 200)
	b.ResetTimer()
	for b.Loop() {
		if _, err := js.PublishAsync("hub.event.task.42", body, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
		sent++
	}
	n.untilW(sent)
	b.ReportMetric(float64(f.Stats().Filled)/float64(b.N), "filled/op")
}

// BenchmarkFill is a hole of one entry, found and read back.
func BenchmarkFill(b *testing.B) {
	_, nc := natstest.Mesh(b)
	js := stream(b, nc)
	for range 1000 {
		put(b, js, "1", "x")
	}
	r := follow.NewReader(nc, events())
	e := epoch(b, r)
	b.Run("hole of 1", func(b *testing.B) { read(b, r, e, 500, 501) })
	b.Run("page of 100", func(b *testing.B) { read(b, r, e, 500, 600) })
	b.Run("page of 500", func(b *testing.B) { read(b, r, e, 0, 500) })
	b.Run("nothing there, by the leader's word", func(b *testing.B) {
		for b.Loop() {
			if page, err := r.Read(b.Context(), e, "hub.event.task.2", 0, 1000); err != nil || len(page) != 0 {
				b.Fatal(len(page), err)
			}
		}
	})
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			epoch(b, r)
		}
	})
}

func read(b *testing.B, r *follow.Reader, epoch string, after, upTo uint64) {
	b.Helper()
	for b.Loop() {
		if page, err := r.Read(b.Context(), epoch, "", after, upTo); err != nil || uint64(len(page)) != upTo-after {
			b.Fatal(len(page), err)
		}
	}
}
