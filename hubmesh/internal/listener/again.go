package listener

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Close codes of the native door after which the same client would be closed
// again.
const (
	closedAbuse   = 4400
	closedRevoked = 4403
)

// final reports whether coming back is of no use. A token that has expired is
// not final: the next may be a new one, and an old one is refused then.
func final(err error) bool {
	var closed *hub.Closed
	var refused *hub.Refused
	var fault *hub.Error
	switch {
	case errors.Is(err, ErrDenied):
		return true
	case errors.As(err, &closed):
		return closed.Code == closedAbuse || closed.Code == closedRevoked
	case errors.As(err, &refused):
		return refused.Status < http.StatusInternalServerError && refused.Status != http.StatusTooManyRequests
	case errors.As(err, &fault):
		return fault.Code == wire.Unauthorized || fault.Code == wire.TokenExpired || fault.Code == wire.Forbidden
	}
	return false
}

// again is how long to wait after so many failures in a row. What the gateway
// asked for, when it refused us or went down (pause), is not undercut.
func (c Config) again(failures int, err error, pause time.Duration) time.Duration {
	most := min(c.AgainLeast<<min(failures, 20), c.AgainMost)
	wait := most/2 + rand.N(most/2+1) //nolint:gosec // spreads clients, hides nothing
	var refused *hub.Refused
	if errors.As(err, &refused) {
		pause = max(pause, refused.RetryAfter)
	}
	return max(wait, pause)
}
