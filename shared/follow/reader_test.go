package follow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
)

func TestARoomIsReadBackInPages(t *testing.T) {
	_, nc := natstest.Mesh(t)
	js := stream(t, nc)
	for i := range 100 {
		put(t, js, fmt.Sprint(i%4), fmt.Sprint(i)) // room 1 has 2, 6, … 98
	}
	cfg := events()
	cfg.Page = 7
	r := follow.NewReader(nc, cfg)
	for name, story := range map[string]struct {
		after, upTo uint64
		want        []int // of each page
	}{
		"all of it":               {0, 100, []int{7, 7, 7, 4}},
		"between two of its own":  {10, 22, []int{3}},
		"up to one of another":    {0, 25, []int{6}},
		"none of it":              {94, 97, nil},
		"nothing above the last":  {98, 100, nil},
		"nothing between nothing": {50, 50, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			for after := story.after; ; {
				page, err := r.Read(t.Context(), epoch(t, r), "hub.event.task.1", after, story.upTo)
				must(t, err)
				if len(page) == 0 {
					break
				}
				got = append(got, len(page))
				for _, e := range page {
					if e.Seq <= after || e.Seq > story.upTo || e.Subject != "hub.event.task.1" || string(e.Data) != fmt.Sprint(e.Seq-1) {
						t.Errorf("after %d came %d %s %q", after, e.Seq, e.Subject, e.Data)
					}
					after = e.Seq
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(story.want) {
				t.Errorf("pages of %v, want %v", got, story.want)
			}
		})
	}
}

func TestAnEventLargerThanAPageIsReadToo(t *testing.T) {
	_, nc := natstest.Mesh(t)
	js := stream(t, nc)
	big := string(make([]byte, 1<<20))
	for range 10 {
		put(t, js, "1", big)
	}
	r := follow.NewReader(nc, events())
	after := uint64(0)
	for after < 10 {
		page, err := r.Read(t.Context(), epoch(t, r), "", after, 10)
		must(t, err)
		if len(page) == 0 || len(page) > 5 {
			t.Fatalf("a page of %d, want some MiB", len(page))
		}
		after += uint64(len(page))
	}
}

func TestReadingEndsWhenTheLogIsAnotherOne(t *testing.T) {
	_, nc := natstest.Mesh(t)
	r := follow.NewReader(nc, events())
	if _, err := r.Read(t.Context(), epoch(t, r), "", 0, 5); !errors.Is(err, follow.ErrChanged) {
		t.Errorf("Read up to what is not there = %v, want ErrChanged", err)
	}
	edit(t, stream(t, nc), "HUB_EVENTS", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 })
	put(t, stream(t, nc), "1", "x")
	put(t, stream(t, nc), "1", "x")
	if _, err := r.Read(t.Context(), "another", "", 0, 1); !errors.Is(err, follow.ErrChanged) {
		t.Errorf("Read of another epoch = %v, want ErrChanged", err)
	}
	must(t, stream(t, nc).DeleteStream(t.Context(), "HUB_EVENTS"))
	if _, err := r.Read(t.Context(), "", "", 0, 1); !errors.Is(err, store.ErrMissing) {
		t.Errorf("Read of no stream = %v, want ErrMissing", err)
	}
	if _, err := r.State(t.Context()); !errors.Is(err, store.ErrMissing) {
		t.Errorf("State of no stream = %v, want ErrMissing", err)
	}
}

func TestReadingAndListeningEndWithTheirContext(t *testing.T) {
	s, nc := natstest.Mesh(t)
	wire := natstest.NewWire(t, s)
	cut := wire.Conn(t)
	wire.Cut()
	put(t, stream(t, nc), "1", "x")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := follow.NewReader(cut, events()).Read(ctx, "", "", 0, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read over a cut wire = %v, want DeadlineExceeded", err)
	}
	if _, err := follow.Listen(ctx, cut, events(), newNotebook(t), quiet); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Listen over a cut wire = %v, want DeadlineExceeded", err)
	}
}

func TestServeEndsWhenItsConnectionIsClosed(t *testing.T) {
	s, _ := natstest.Mesh(t)
	nc := natstest.Conn(t, s)
	f, err := follow.Listen(t.Context(), nc, events(), newNotebook(t), quiet)
	must(t, err)
	nc.Close()
	if err := f.Serve(t.Context()); err == nil {
		t.Error("Serve over a closed connection = nil, want an error")
	}
}
