package store_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// readers lets everyone read streams, but make none; admin may all.
func readers(o *server.Options) {
	account := server.NewAccount("A")
	o.Accounts = []*server.Account{account}
	o.Users = []*server.User{
		{Username: "admin", Password: "p", Account: account},
		{Username: "reader", Password: "p", Account: account, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"$JS.API.STREAM.INFO.*"}},
		}},
	}
}

func enableJetStream(t *testing.T, s *server.Server) {
	t.Helper()
	a, err := s.LookupAccount("A")
	if err == nil {
		err = a.EnableJetStream(nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAwaitMakesWhatIsMissingWhereItMay(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	if err := store.Missing(t.Context(), nc, subject.Tree{}, subject.Quota); !errors.Is(err, store.ErrMissing) {
		t.Fatalf("Missing on an empty server = %v, want ErrMissing", err)
	}
	names := []string{subject.Events, subject.Gateways, subject.Quota}
	if err := store.Await(t.Context(), nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler), names...); err != nil {
		t.Fatal(err)
	}
	if err := store.Missing(t.Context(), nc, subject.Tree{}, names...); err != nil {
		t.Errorf("Missing after Await = %v, want nil", err)
	}
}

func TestAwaitWithoutRightsWaitsForSetup(t *testing.T) {
	s := natstest.Server(t, readers)
	enableJetStream(t, s)
	reader := natstest.Conn(t, s, nats.UserInfo("reader", "p"))
	waiting := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- store.Await(t.Context(), reader, subject.Tree{}, store.Config{}, slog.New(heard{waiting}), subject.Events)
	}()
	if got := <-waiting; got != "HUB_EVENTS is missing: run hubmesh setup" {
		t.Errorf("waiting for %q", got)
	}
	setup(t, natstest.Conn(t, s, nats.UserInfo("admin", "p")), store.Config{})
	if err := <-done; err != nil {
		t.Errorf("Await after setup = %v", err)
	}
}

func TestAwaitTellsWhatWasMissingWhenItsTimeIsOver(t *testing.T) {
	s := natstest.Server(t, readers)
	enableJetStream(t, s)
	reader := natstest.Conn(t, s, nats.UserInfo("reader", "p"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := store.Await(ctx, reader, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler), subject.Events)
	if !errors.Is(err, store.ErrMissing) || err.Error() != "HUB_EVENTS is missing: run hubmesh setup" {
		t.Errorf("Await = %v, want ErrMissing", err)
	}
}

// heard passes on the err of every record.
type heard struct{ errs chan string }

func (heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h heard) WithGroup(string) slog.Handler          { return h }
func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		r.Attrs(func(a slog.Attr) bool { h.errs <- a.Value.String(); return true })
	}
	return nil
}

func BenchmarkAwait(b *testing.B) {
	_, nc := natstest.Mesh(b)
	for b.Loop() {
		if err := store.Await(b.Context(), nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler), subject.Events, subject.Gateways); err != nil {
			b.Fatal(err)
		}
	}
}
