package relay

import (
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestGarbageIsLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := newLines()
		c := newCritic(meter.New(prometheus.NewRegistry()), slog.New(said))
		for _, s := range []struct {
			after time.Duration
			why   meter.Drop
			lines int
		}{
			{0, meter.NotJSON, 1},
			{0, meter.NotJSON, 1},
			{0, meter.BadName, 2}, // another reason has a minute of its own
			{59 * time.Second, meter.NotJSON, 2},
			{time.Second, meter.NotJSON, 3},
			{0, meter.BadName, 4},
		} {
			<-time.After(s.after) // in the clock of synctest
			c.drop(s.why, "hub.event.task.1")
			if n := said.count("relay: not an event"); n != s.lines {
				t.Fatalf("%d lines, want %d", n, s.lines)
			}
		}
	})
}

// FuzzReadEvent takes any message for an event: what is one can be told to
// every client.
func FuzzReadEvent(f *testing.F) {
	f.Add("", "", "", []byte("{}"))
	f.Add("task:update", "ann", "application/json", []byte(`{"a":[1,"ü"]}`))
	f.Add("x", "", "application/octet-stream", []byte{0xff})
	f.Add(" x", "\xff", "text/plain", []byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, name, from, content string, data []byte) {
		h := nats.Header{}
		for key, value := range map[string]string{"Hub-Event": name, "Hub-From": from, "Content-Type": content} {
			if value != "" {
				h[key] = []string{value}
			}
		}
		e, _, why := readEvent(h, data)
		if why != "" {
			return
		}
		if !subject.ValidEvent(e.Name) || !utf8.ValidString(e.From) {
			t.Errorf("name %q, from %q passed", e.Name, e.From)
		}
		if !e.Binary && (!json.Valid(e.Data) || !utf8.Valid(e.Data)) {
			t.Errorf("%q passed as JSON", e.Data)
		}
	})
}
