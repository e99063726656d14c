package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// ErrMissing is wrapped by errors that name a stream or bucket that is not
// there.
var ErrMissing = errors.New("missing: run hubmesh setup")

const (
	askAgain  = 2 * time.Second  // between two looks at what is missing
	askWait   = 2 * time.Second  // for one answer
	makeWait  = time.Second      // for one answer to a creation: where rights refuse it there is none
	makeAgain = 30 * time.Second // after such a silence; the server logs every refusal
)

// Missing asks which of the named streams and buckets (subject.Events,
// subject.Gateways, …) are there now. It returns nil when all are; an error
// that wraps ErrMissing and reads exactly
//
//	HUB_EVENTS is missing: run hubmesh setup
//
// for the first that is not; and another error when it cannot be known.
func Missing(ctx context.Context, nc *nats.Conn, tree subject.Tree, names ...string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("store: ask for streams: %w", err)
	}
	for _, it := range named(tree, Config{}, names) {
		if _, err := it.look(ctx, js); err != nil {
			return err
		}
	}
	return nil
}

// Await returns when all named streams and buckets (subject.Events,
// subject.Gateways, …) are there, at once if they are. It makes what is
// missing where its rights allow; else it logs what is missing and asks again
// every 2 s. When ctx ends before, it returns what Missing would.
func Await(ctx context.Context, nc *nats.Conn, tree subject.Tree, cfg Config, log *slog.Logger, names ...string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("store: ask for streams: %w", err)
	}
	for _, it := range named(tree, cfg, names) {
		info, err := it.await(ctx, js, log)
		if err != nil {
			return err
		}
		warnOfOneReplica(info, it.shown, log)
	}
	return nil
}

func (it item) await(ctx context.Context, js jetstream.JetStream, log *slog.Logger) (*jetstream.StreamInfo, error) {
	var refused time.Time // when a creation was last left without an answer
	var told string
	for {
		info, err := it.look(ctx, js)
		if errors.Is(err, ErrMissing) && time.Since(refused) > makeAgain {
			made, cause := it.make(ctx, js)
			switch {
			case cause == nil:
				log.Info("store: made", "stream", it.shown)
				return made, nil
			case errors.Is(cause, context.DeadlineExceeded):
				refused = time.Now()
			default:
				err = cause
			}
		}
		if err == nil {
			return info, nil
		}
		if err.Error() != told {
			told = err.Error()
			log.Warn("store: waiting", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgain):
		}
	}
}

func (it item) look(ctx context.Context, js jetstream.JetStream) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	s, err := js.Stream(ctx, it.want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%s is %w", it.shown, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("store: ask for %s: %w", it.shown, err)
	}
	return s.CachedInfo(), nil
}

func (it item) make(ctx context.Context, js jetstream.JetStream) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, makeWait)
	defer cancel()
	return it.ensure(ctx, js)
}

// named panics on a name that the table does not know: only a programmer
// writes one.
func named(tree subject.Tree, cfg Config, names []string) (items []item) {
	all := table(tree, cfg)
	for _, name := range names {
		i := slices.IndexFunc(all, func(it item) bool { return it.name == name })
		if i < 0 {
			panic("store: no stream or bucket is named " + name)
		}
		items = append(items, all[i])
	}
	return items
}
