package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// ErrEnded is what an ask meets that came after Close.
var ErrEnded = errors.New("hub: the client was closed")

// Error is an ask that the gateway answered with an error.
type Error struct {
	Code       wire.Code
	Message    string
	RetryAfter time.Duration // 0: not told
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Closed is the close frame with which the gateway ended the connection.
type Closed struct {
	Code   int // 1012: restart, 4401: token expired, 4409: too slow, …
	Reason string
}

func (c *Closed) Error() string {
	return fmt.Sprintf("hub: closed by the gateway with %d %s", c.Code, c.Reason)
}

// Refused is a handshake that the gateway answered with another HTTP status
// than 101.
type Refused struct {
	Status     int
	Code       wire.Code // empty when the body was not the gateway's
	Message    string
	RetryAfter time.Duration // of the header Retry-After; 0: not told
}

func (r *Refused) Error() string {
	if r.Code == "" {
		return fmt.Sprintf("hub: handshake refused with HTTP %d %s", r.Status, http.StatusText(r.Status))
	}
	return fmt.Sprintf("hub: handshake refused with HTTP %d: %s: %s", r.Status, r.Code, r.Message)
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0 // absent, or a date: not worth a client's parsing
	}
	return time.Duration(seconds) * time.Second
}
