package relay

import (
	"encoding/json"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// readEvent reads the event in a message, or says why it is none. Offset and
// time are left to the caller.
func readEvent(h nats.Header, data []byte) (e frame.Event, except string, why meter.Drop) {
	e = frame.Event{Name: wire.DefaultEvent, Data: data, From: h.Get(wire.HeaderFrom)}
	if names, ok := h[wire.HeaderEvent]; ok && len(names) > 0 {
		e.Name = names[0]
	}
	if !subject.ValidEvent(e.Name) {
		return e, "", meter.BadName
	}
	if !utf8.ValidString(e.From) {
		return e, "", meter.BadName
	}
	switch h.Get(wire.HeaderContentType) {
	case "", wire.TypeJSON:
		if !json.Valid(data) || !utf8.Valid(data) { // json.Valid lets broken UTF-8 pass
			return e, "", meter.NotJSON
		}
	case wire.TypeBinary:
		e.Binary = true
	default:
		return e, "", meter.BadType
	}
	return e, h.Get(wire.HeaderExcept), ""
}

// complaints is how often a thing that backends do wrong is logged.
const complaints = time.Minute

// critic counts what is dropped, and logs it once a minute for each reason:
// whoever publishes garbage by the thousand fills no disk.
type critic struct {
	meter *meter.Meter
	log   *slog.Logger

	mu   sync.Mutex // guards next
	next map[meter.Drop]time.Time
}

func newCritic(m *meter.Meter, log *slog.Logger) *critic {
	return &critic{meter: m, log: log, next: map[meter.Drop]time.Time{}}
}

func (c *critic) drop(why meter.Drop, subj string) {
	c.meter.Dropped(why)
	now := time.Now()
	c.mu.Lock()
	due := !now.Before(c.next[why])
	if due {
		c.next[why] = now.Add(complaints)
	}
	c.mu.Unlock()
	if due {
		c.log.Warn("relay: not an event; more of these are counted only", "reason", string(why), obs.Subject, subj)
	}
}
