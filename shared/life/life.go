// Package life runs the servers of a process until the first ends or a signal
// comes, and then waits for all of them.
//
// It starts nothing by itself and knows nothing of what it runs.
package life

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals returns a context that ends at SIGINT or SIGTERM. A second signal
// kills the process as if nobody listened, so that a drain that hangs can be
// ended by hand.
func Signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Server is what runs until ctx ends, and returns when all it did is drained.
type Server interface {
	Serve(ctx context.Context) error
}

// Run serves all until ctx ends or the first of them returns, then tells the
// others to end, waits for every one, and returns their errors joined. The end
// of ctx is no error.
func Run(ctx context.Context, servers ...Server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards errs
		errs []error
	)
	for _, s := range servers {
		wg.Go(func() {
			defer cancel()
			if err := s.Serve(ctx); err != nil && !errors.Is(err, context.Canceled) {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Func is a function that is a Server.
type Func func(ctx context.Context) error

// Serve calls f.
func (f Func) Serve(ctx context.Context) error { return f(ctx) }
