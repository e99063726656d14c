package listener_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hubtest"
	"github.com/hubmesh/hubmesh/hubmesh/internal/listener"
)

// notes is a Teller that keeps what it was told, and stops after enough
// events.
type notes struct {
	enough int
	stop   context.CancelFunc

	entered int
	heard   []uint64
	away    []error
}

func (n *notes) Connected(hub.Connected)         {}
func (n *notes) Entered(hub.Subscribed)          { n.entered++ }
func (n *notes) Away(err error, _ time.Duration) { n.away = append(n.away, err) }
func (n *notes) Event(e hub.Event) {
	if e.Offset == 0 {
		return
	}
	n.heard = append(n.heard, e.Offset)
	if len(n.heard) == n.enough {
		n.stop()
	}
}

func config(url string) listener.Config {
	return listener.Config{
		Hub:   func() (hub.Config, error) { return hub.Config{URL: url, Token: "a.b.c"}, nil },
		Rooms: []string{"task:42"}, AgainLeast: time.Millisecond, AgainMost: 10 * time.Millisecond,
	}
}

const entered = `{"rooms":[{"room":"task:42","offset":%d,"epoch":"e1","missed":%d}],"denied":[]}`

func event(offset int) string {
	return fmt.Sprintf(`{"event":"n","room":"task:42","data":null,"offset":%d}`, offset)
}

func TestItComesBackAndAsksForWhatItMissed(t *testing.T) {
	var came atomic.Int32
	url := hubtest.Door(t, func(s *hubtest.Side, r *http.Request) {
		s.Say(hubtest.Hello)
		a, _ := s.Hear()
		switch came.Add(1) {
		case 1:
			if strings.Contains(string(a.Data), "since") || r.URL.Query().Has("since") {
				t.Errorf("the first time it asked for what it missed: %s, %s", a.Data, r.URL)
			}
			s.Ack(a, fmt.Sprintf(entered, 10, 0))
			s.Say(event(11), event(13))
			s.Bye(1012, "restart")
		case 2: // lost before all that was missed had come
			if got, want := string(a.Data), `{"rooms":[{"room":"task:42","since":{"epoch":"e1","offset":13}}]}`; got != want {
				t.Errorf("the second time it asked %s, want %s", got, want)
			}
			if got, want := r.URL.Query().Get("since"), "e1:7"; got != want {
				t.Errorf("since of its own rooms = %q, want %q", got, want)
			}
			s.Ack(a, fmt.Sprintf(entered, 20, 3))
			s.Say(event(14))
		case 3:
			if got, want := string(a.Data), `{"rooms":[{"room":"task:42","since":{"epoch":"e1","offset":14}}]}`; got != want {
				t.Errorf("the third time it asked %s, want %s", got, want)
			}
			s.Ack(a, fmt.Sprintf(entered, 20, 2))
			s.Say(event(15), event(20))
			s.Hear()
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n := &notes{enough: 5, stop: stop}
	if err := listener.Run(ctx, config(url), n); err != nil {
		t.Fatalf("Run: %v", err)
	}
	if want := []uint64{11, 13, 14, 15, 20}; !slices.Equal(n.heard, want) {
		t.Errorf("heard %v, want %v", n.heard, want)
	}
	if len(n.away) != 2 || n.entered != 3 {
		t.Errorf("away %d times (%v), entered %d times; want 2 and 3", len(n.away), n.away, n.entered)
	}
}

func TestAPlaceInAQuietRoomDoesNotGrowOld(t *testing.T) {
	hello := strings.Replace(hubtest.Hello, "25000", "1", 1) // a heartbeat each millisecond
	var came atomic.Int32
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hello)
		a, _ := s.Hear()
		if came.Add(1) == 2 {
			if got, want := string(a.Data), `"offset":99`; !strings.Contains(got, want) {
				t.Errorf("it came back with %s, want %s in it", got, want)
			}
			s.Ack(a, fmt.Sprintf(entered, 100, 1))
			s.Say(event(100))
			s.Hear()
			return
		}
		s.Ack(a, fmt.Sprintf(entered, 10, 0))
		a, _ = s.Hear()
		s.Ack(a, `{"time":1,"position":{"epoch":"e1","offset":99}}`)
		s.Hear() // the next heartbeat: the first's answer was read
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := listener.Run(ctx, config(url), &notes{enough: 1, stop: stop}); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func TestItGivesUpWhereComingBackIsOfNoUse(t *testing.T) {
	t.Run("nobody is there", func(t *testing.T) {
		if err := listener.Run(t.Context(), config("http://127.0.0.1:1"), &notes{}); err == nil {
			t.Error("Run ended well")
		}
	})
	t.Run("no room may be entered", func(t *testing.T) {
		url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
			s.Say(hubtest.Hello)
			a, _ := s.Hear()
			s.Ack(a, `{"rooms":[],"denied":[{"room":"task:42","code":"forbidden","message":"no"}]}`)
			s.Hear()
		})
		n := &notes{}
		if err := listener.Run(t.Context(), config(url), n); !errors.Is(err, listener.ErrDenied) || n.entered != 1 {
			t.Errorf("Run: %v, told %d times, want ErrDenied, told once", err, n.entered)
		}
	})
	t.Run("a backend ended us", func(t *testing.T) {
		url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
			s.Say(hubtest.Hello)
			s.Hear()
			s.Bye(4403, "goodbye")
		})
		err := listener.Run(t.Context(), config(url), &notes{})
		if closed := (*hub.Closed)(nil); !errors.As(err, &closed) || closed.Code != 4403 {
			t.Errorf("Run: %v, want a *Closed with 4403", err)
		}
	})
}

func TestItAsksAgainWhenNobodyCouldSayWhetherItMayEnter(t *testing.T) {
	var came atomic.Int32
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		a, _ := s.Hear()
		if came.Add(1) == 1 {
			s.Ack(a, `{"rooms":[],"denied":[{"room":"task:42","code":"unavailable","message":"authz is silent"}]}`)
		} else {
			s.Ack(a, fmt.Sprintf(entered, 10, 0))
			s.Say(event(11))
		}
		s.Hear()
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := listener.Run(ctx, config(url), &notes{enough: 1, stop: stop}); err != nil {
		t.Errorf("Run: %v", err)
	}
}
