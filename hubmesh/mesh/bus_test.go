package mesh

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running starts a bus in path on any port. The caller stops it.
func running(t testing.TB, path string) *bus {
	t.Helper()
	dir, err := datadir.Open(path, "boot-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := startBus(busConfig{dir: dir, addr: "127.0.0.1:0", eventsMax: 1 << 20, log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func login(t testing.TB, b *bus, user string) *nats.Conn {
	t.Helper()
	nc, err := natsconn.Open(b.login(user), user, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func TestServicesMayDoTheirOwnAndNoMore(t *testing.T) {
	b := running(t, t.TempDir())
	defer b.stop()
	tests := map[string]struct {
		user, subject string
		refused       bool
	}{
		"a gateway publishes events":             {subject.Gateway, "hub.event.task.42", false},
		"a gateway says nothing for the server":  {subject.Gateway, "hub.stored.task.42", true},
		"authz publishes nothing of its own":     {subject.Authz, "hub.event.task.42", true},
		"presence does not say who may come":     {subject.Presence, "hub.svc.authz.connect", true},
		"an admin does not speak for the server": {subject.Admin, "hub.stored.task.42", true},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			nc := login(t, b, c.user)
			defer nc.Close()
			if err := nc.Publish(c.subject, nil); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			err := nc.LastError() // a refusal comes before the answer to the flush
			if got := errors.Is(err, nats.ErrPermissionViolation); got != c.refused {
				t.Errorf("%s publishes %s: refused = %v (%v), want %v", c.user, c.subject, got, err, c.refused)
			}
		})
	}
}

func TestWhoLogsInAsNobodyMayDoAll(t *testing.T) {
	b := running(t, t.TempDir())
	defer b.stop()
	nc, err := nats.Connect(b.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("hub.stored.task.42", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsgWithContext(t.Context()); err != nil || m.Subject != "hub.stored.task.42" {
		t.Errorf("heard %v, %v", m, err)
	}
	if got, want := nc.MaxPayload(), int64(maxPayload); got != want {
		t.Errorf("max payload = %d, want %d", got, want)
	}
}

func TestAStartHasNothingToWarnOf(t *testing.T) {
	dir, err := datadir.Open(t.TempDir(), "boot-1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}()
	var said bytes.Buffer
	log := slog.New(warnings{slog.NewTextHandler(&said, nil)}).With("a", "b").WithGroup("g")
	b, err := startBus(busConfig{dir: dir, addr: "127.0.0.1:0", eventsMax: 1 << 20, log: log})
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	if said.Len() > 0 {
		t.Errorf("it said %s", &said)
	}
}

func TestWhatIsStoredIsThereAfterARestart(t *testing.T) {
	path := t.TempDir()
	store := func(first bool) uint64 {
		dir, err := datadir.Open(path, "boot-1")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := dir.Close(); err != nil {
				t.Error(err)
			}
		}()
		b, err := startBus(busConfig{dir: dir, addr: "127.0.0.1:0", eventsMax: 1 << 20, log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer b.stop()
		nc := login(t, b, subject.Admin)
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if first {
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"hub.s"}}); err != nil {
				t.Fatal(err)
			}
		}
		ack, err := js.Publish(t.Context(), "hub.s", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		return ack.Sequence
	}
	if first, second := store(true), store(false); first != 1 || second != 2 {
		t.Errorf("sequences = %d, %d, want 1, 2", first, second)
	}
}

func TestAPortThatIsTakenAfterAllIsAnError(t *testing.T) {
	other := listener(t)
	dir, err := datadir.Open(t.TempDir(), "boot-1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err = startBus(busConfig{dir: dir, addr: other, eventsMax: 1 << 20, log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("startBus on %s: %v, want that it is in use", other, err)
	}
}

// listener takes a port for the test.
func listener(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestAPortIsLeftOnlyWhenNobodyNamedIt(t *testing.T) {
	taken := listener(t)
	_, port, err := splitAddr(taken)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := freeAddr(taken, false); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("freeAddr(%s, false) = %q, %v, want that it is in use", taken, got, err)
	}
	got, err := freeAddr(taken, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, next, err := splitAddr(got); err != nil || next <= port || next > port+portsTried {
		t.Errorf("freeAddr(%s, true) = %s, %v, want a port soon after", taken, got, err)
	}
	for _, bad := range []string{"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:" + strconv.Itoa(1<<16)} {
		if _, err := freeAddr(bad, true); err == nil {
			t.Errorf("freeAddr(%q) went well", bad)
		}
	}
}
