package listener

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestWhenComingBackIsOfNoUse(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"the network broke":         {errors.New("read: EOF"), false},
		"the gateway restarts":      {&hub.Closed{Code: 1012}, false},
		"we were too slow":          {&hub.Closed{Code: 4409}, false},
		"the token expired":         {&hub.Closed{Code: 4401}, false},
		"a backend ended us":        {&hub.Closed{Code: 4403}, true},
		"we spoke badly":            {&hub.Closed{Code: 4400}, true},
		"the token is refused":      {&hub.Refused{Status: 401, Code: wire.Unauthorized}, true},
		"the origin is refused":     {&hub.Refused{Status: 403, Code: wire.Forbidden}, true},
		"the gateway is full":       {&hub.Refused{Status: 503, Code: wire.Unavailable}, false},
		"too many came at once":     {&hub.Refused{Status: 429, Code: wire.RateLimited}, false},
		"no room may be entered":    {fmt.Errorf("x: %w", ErrDenied), true},
		"nobody could be asked":     {&hub.Error{Code: wire.Unavailable}, false},
		"the first frame's token":   {&hub.Error{Code: wire.TokenExpired}, true},
		"joined with its own close": {errors.Join(&hub.Closed{Code: 4403}, errors.New("cut")), true},
	}
	for name, c := range tests {
		if got := final(c.err); got != c.want {
			t.Errorf("%s: final(%v) = %v, want %v", name, c.err, got, c.want)
		}
	}
}

func TestHowLongItWaits(t *testing.T) {
	cfg := Config{AgainLeast: 100 * time.Millisecond, AgainMost: time.Second}
	tests := map[string]struct {
		failures    int
		err         error
		pause       time.Duration
		least, most time.Duration
	}{
		"after the first":            {0, nil, 0, 50 * time.Millisecond, 100 * time.Millisecond},
		"twice as long each time":    {2, nil, 0, 200 * time.Millisecond, 400 * time.Millisecond},
		"bounded":                    {1000, nil, 0, 500 * time.Millisecond, time.Second},
		"as the shutdown asked":      {0, nil, 3 * time.Second, 3 * time.Second, 3 * time.Second},
		"as the refusal asked":       {0, &hub.Refused{RetryAfter: 5 * time.Second}, 0, 5 * time.Second, 5 * time.Second},
		"never less than the spread": {4, nil, time.Millisecond, 500 * time.Millisecond, time.Second},
	}
	for name, c := range tests {
		for range 100 {
			if got := cfg.again(c.failures, c.err, c.pause); got < c.least || got > c.most {
				t.Fatalf("%s: again = %v, want %v to %v", name, got, c.least, c.most)
			}
		}
	}
}
