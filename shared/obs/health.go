package obs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// Paths of health, on the admin listener and on a gateway's client listener.
const (
	LivePath  = "/api/v1/health/live"
	ReadyPath = "/api/v1/health/ready"
)

// ErrStarting is why a Readiness that was not set is not ready.
var ErrStarting = errors.New("starting")

// ErrDraining is why a service that was told to end is not ready.
var ErrDraining = errors.New("draining")

// Ready tells whether a service can do its work now: nil, or the reason why
// not. The reason is shown to whoever asks; it names no secret. It must be safe
// for concurrent use and return soon after ctx ended.
type Ready func(ctx context.Context) error

// Readiness is a Ready that can be told later whom to ask, so that the
// listener is there before the service is. The zero Readiness answers
// ErrStarting. Safe for concurrent use.
type Readiness struct{ ask atomic.Pointer[Ready] }

// Set says whom to ask from now on.
func (r *Readiness) Set(ask Ready) { r.ask.Store(&ask) }

// Drain says that the service is ending.
func (r *Readiness) Drain() { r.Set(func(context.Context) error { return ErrDraining }) }

// Ask is the Ready.
func (r *Readiness) Ask(ctx context.Context) error {
	ask := r.ask.Load()
	if ask == nil {
		return ErrStarting
	}
	return (*ask)(ctx)
}

// readyWait bounds one question whether a service is ready. Kubernetes gives
// up on a probe after 1 s, load balancers after 2 to 5.
const readyWait = 2 * time.Second

// Health answers LivePath with 200 while the process runs, and ReadyPath with
// 200, or 503 and the reason.
//
// It may stand where clients reach it: ready is asked by one request at a time,
// and those that waited for their turn share the next answer.
func Health(ready Ready) http.Handler {
	h := &health{ready: ready, turn: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+LivePath, func(w http.ResponseWriter, _ *http.Request) { tell(w, nil) })
	mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, r *http.Request) { tell(w, h.ask(r.Context())) })
	return mux
}

type health struct {
	ready Ready
	turn  chan struct{} // one slot: whoever is in it may touch begun and last
	begun time.Time
	last  error
}

func (h *health) ask(ctx context.Context) error {
	came := time.Now()
	// A prober that goes away must not spoil the answer for those who wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWait)
	defer cancel()
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return errors.New("the check before this one is not answered")
	}
	if h.begun.After(came) {
		return h.last
	}
	h.begun = time.Now()
	h.last = h.ready(ctx)
	return h.last
}

// tell writes the answer of a probe: {"status":"ok"}, or
// {"status":"unavailable","reason":"…"}.
func tell(w http.ResponseWriter, err error) {
	body := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: "ok"}
	code := http.StatusOK
	if err != nil {
		code, body.Status, body.Reason = http.StatusServiceUnavailable, "unavailable", reason(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a prober that is gone needs no answer
}

// Login is user:password@ of a URL, which errors of a network client may show.
var login = regexp.MustCompile(`://[^/\s@]*@`)

// reason is an error as one line of at most 300 bytes, without logins.
func reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = login.ReplaceAllString(line, "://")
	if len(line) > 300 {
		line = strings.ToValidUTF8(line[:300], "") + "…"
	}
	return line
}
