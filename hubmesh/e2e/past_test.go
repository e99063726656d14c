package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// page is the ack of history:get.
type page struct {
	Events []hub.Event `json:"events"`
	Epoch  string      `json:"epoch"`
	More   bool        `json:"more"`
}

// offsets are those of its events.
func (p page) offsets() (all []uint64) {
	for _, e := range p.Events {
		all = append(all, e.Offset)
	}
	return all
}

// past asks for a page of a room's past; before and limit are left out where
// they are zero.
func past(ctx context.Context, c *hub.Client, room string, before uint64, limit int) (p page, err error) {
	ask := map[string]any{"room": room}
	if before > 0 {
		ask["before"] = before
	}
	if limit > 0 {
		ask["limit"] = limit
	}
	raw, err := c.Ask(ctx, "history:get", ask)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(raw, &p)
}

func TestTheWholePastIsReadBackwardsInPages(t *testing.T) {
	h := open(t, config(t))
	var all []uint64
	for n := range 237 {
		all = append(all, h.event("task:42", n))
		h.bulk("task:other", n%7, 10)
	}
	c := dial(t, h.mesh.Gateways()[0], "ann") // it is not in the room: reading takes a right, not membership
	for _, limit := range []int{0, 1, 7, 100, 200} {
		got, before, size := []uint64(nil), uint64(0), limit
		if limit == 0 {
			size = 50
		}
		for more := true; more; {
			p, err := past(t.Context(), c, "task:42", before, limit)
			if err != nil {
				t.Fatal(err)
			}
			more = p.More
			if len(p.Events) == 0 || len(p.Events) > size || more && len(p.Events) < size {
				t.Fatalf("a page of %d before %d holds %d events, more: %v", limit, before, len(p.Events), more)
			}
			if p.Epoch != h.log().Epoch {
				t.Fatalf("the page is of epoch %q, want %q", p.Epoch, h.log().Epoch)
			}
			before = p.Events[0].Offset
			got = append(p.offsets(), got...)
		}
		if !slices.Equal(got, all) {
			t.Errorf("pages of %d brought %d events, want the room's %d in order", limit, len(got), len(all))
		}
	}
}

func TestAPageOfThePastIsWhatItsBoundsSay(t *testing.T) {
	h := open(t, config(t))
	all := h.events("task:42", 10)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	stories := map[string]struct {
		room   string
		before uint64
		limit  int
		want   []uint64
		more   bool
	}{
		"the newest":                   {"task:42", 0, 3, all[7:], true},
		"all there is":                 {"task:42", 0, 10, all, false},
		"all but one":                  {"task:42", 0, 9, all[1:], true},
		"more than there is":           {"task:42", 0, 200, all, false},
		"before an event":              {"task:42", all[5], 3, all[2:5], true},
		"before the first":             {"task:42", all[0], 3, nil, false},
		"before the second":            {"task:42", all[1], 3, all[:1], false},
		"before what is yet to come":   {"task:42", 1 << 40, 2, all[8:], true},
		"of a room that holds nothing": {"task:empty", 0, 5, nil, false},
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			p, err := past(t.Context(), c, s.room, s.before, s.limit)
			if err != nil || !slices.Equal(p.offsets(), s.want) || p.More != s.more {
				t.Errorf("got %v, more %v, %v; want %v, more %v", p.offsets(), p.More, err, s.want, s.more)
			}
		})
	}
}

func TestThePastIsOnlyForThoseWithTheRight(t *testing.T) {
	h := open(t, config(t))
	h.events("team:red", 3)
	mint, err := authz.Mint(secret, "eve", map[string]any{"teams": "blue"}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + h.mesh.Gateways()[0].Addr().String(), Token: mint})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut() //nolint:errcheck // the story is over
	for room, want := range map[string]wire.Code{"team:red": wire.Forbidden, "team:blue": "", "user:ann": wire.Forbidden, "user:eve": "", "no room": wire.Invalid} {
		_, err := past(t.Context(), c, room, 0, 0)
		var refused *hub.Error
		var got wire.Code
		if errors.As(err, &refused) {
			got = refused.Code
		}
		if got != want || got == "" && err != nil {
			t.Errorf("the past of %s: %v, want %q", room, err, want)
		}
	}
}

func TestThePastOfARoomThatIsPublishedToHasNoHoles(t *testing.T) {
	h := open(t, config(t))
	c := dial(t, h.mesh.Gateways()[0], "ann")
	h.events("task:42", 100)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				h.event("task:42", n)
			}
		})
	}
	for range 50 {
		for _, limit := range []int{1, 50} {
			p, err := past(t.Context(), c, "task:42", 0, limit)
			if err != nil || len(p.Events) != limit || !p.More {
				t.Fatalf("a page of %d holds %d, more %v, %v", limit, len(p.Events), p.More, err)
			}
			got := p.offsets()
			if want := h.between("task:42", got[0]-1, got[len(got)-1]); !slices.Equal(got, want) {
				t.Fatalf("the page holds %v, the room %v", got, want)
			}
		}
	}
}
