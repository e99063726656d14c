package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

// garbage is what a backend may send that is no event of room task:a@b.
func garbage() map[string]*nats.Msg {
	const room = "task.a=40b"
	return map[string]*nats.Msg{
		"no JSON":                     message(room, `{"a":`, nil),
		"nothing":                     message(room, ``, nil),
		"two values":                  message(room, `1 2`, nil),
		"JSON in broken UTF-8":        message(room, "\"\xff\"", nil),
		"a kind that is not known":    message(room, `1`, []string{"Content-Type", "text/plain"}),
		"a name with an empty part":   message(room, `1`, []string{"Hub-Event", "a::b"}),
		"a name that is empty":        message(room, `1`, []string{"Hub-Event", ""}),
		"a name in broken UTF-8":      message(room, `1`, []string{"Hub-Event", "a\xff"}),
		"a name with a control":       message(room, `1`, []string{"Hub-Event", "a\x01b"}),
		"a name too long":             message(room, `1`, []string{"Hub-Event", strings.Repeat("e", 129)}),
		"a room in upper-case hex":    message("task.a=4Fb", `1`, nil),
		"a room escaped needlessly":   message("task.=61=40b", `1`, nil),
		"a room not escaped":          message("task.a@b", `1`, nil),
		"a room of half an escape":    message("task.a=4", `1`, nil),
		"a room with a control":       message("task.a=00b", `1`, nil),
		"a room in broken UTF-8":      message("task.a=ff", `1`, nil),
		"a room of no type":           message("Task.a=40b", `1`, nil),
		"a room whose id is too long": message("task."+strings.Repeat("i", 129), `1`, nil),
	}
}

func TestGarbageIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.Admin = true
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	k := h.member(t, "ann", "task:a@b")
	dropped := 0.0
	for _, below := range []string{"hub.event.", "hub.live."} {
		for name, m := range garbage() {
			t.Run(below+" "+name, func(t *testing.T) {
				m.Subject = below + m.Subject
				if err := h.nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
				h.says(t, below+"task.a=40b", `"fence"`)
				var e struct{ Data any }
				if f := k.hear(); json.Unmarshal([]byte(f), &e) != nil || e.Data != "fence" {
					t.Errorf("heard %s", f)
				}
				dropped++
				if got := sum(metrics(t, g), "hubmesh_gateway_dropped_total"); got != dropped {
					t.Fatalf("%v were counted as dropped so far, want %v", got, dropped)
				}
			})
		}
	}
	k.lives()
}

// lines is a log that counts its warnings.
type lines struct {
	slog.Handler
	warned *atomic.Int64
}

func (l lines) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		l.warned.Add(1)
	}
	return nil
}

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }

func TestGarbageIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	log := lines{slog.DiscardHandler, new(atomic.Int64)}
	g, _ := h.addLogging(t, config(t).Gateway, slog.New(log))
	k := come(t, g, "ann")
	k.enter("task:1")
	for range 100 {
		h.says(t, "hub.live.task.1", `no JSON`)
	}
	h.says(t, "hub.live.task.1", `1`)
	k.hears(`{"event":"message","room":"task:1","data":1}`)
	if n := log.warned.Load(); n != 1 {
		t.Errorf("%d lines were logged, want 1", n)
	}
}

func TestWhatIsNoCopyOfAStoredEventIsNone(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	k := h.member(t, "ann", "task:1")
	h.says(t, "hub.stored.task.1", `"forged"`)
	h.says(t, "hub.stored.task.1", `"forged"`, "Nats-Stream", "HUB_EVENTS", "Nats-Sequence", "none")
	h.says(t, "hub.stored.task.1", `"forged"`, "Nats-Stream", "ANOTHER", "Nats-Sequence", "1")
	h.stored(t, "hub.event.task.1", `1`)
	k.hears(`{"event":"message","room":"task:1","data":1,"offset":1,"time":"<ms>"}`)
	k.lives()
}
