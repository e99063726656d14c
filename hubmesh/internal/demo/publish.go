package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	publishMost = 64 << 10 // bytes of a request
	publishWait = 5 * time.Second
)

// spoken is what the page asks to be said in its room, as a backend would say
// it.
type spoken struct {
	Event   string          `json:"event"`
	Data    json.RawMessage `json:"data"`
	Durable bool            `json:"durable"`
}

// published is the answer: where it was said and, when it is stored, under
// which offset.
type published struct {
	Subject string `json:"subject"`
	Offset  uint64 `json:"offset,omitempty"`
}

// publish says something in the room, over NATS and not through the gateway.
func (h *handler) publish(w http.ResponseWriter, r *http.Request) {
	var s spoken
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, publishMost)).Decode(&s); err != nil || !subject.ValidEvent(s.Event) || s.Data == nil {
		h.refuse(w, http.StatusBadRequest, wire.Invalid, `want {"event":"task:update","data":…,"durable":true}`)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), publishWait)
	defer cancel()
	said, err := h.say(ctx, s)
	if err != nil {
		h.cfg.Log.Warn("demo: publish as a backend", obs.Subject, said.Subject, obs.Err, err)
		h.refuse(w, http.StatusBadGateway, wire.Unavailable, "NATS did not take it; the terminal says why")
		return
	}
	h.answer(w, http.StatusOK, said)
}

func (h *handler) refuse(w http.ResponseWriter, status int, code wire.Code, message string) {
	h.answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// say connects, publishes and leaves, as the nats command would: a connection
// that is kept would have to be closed before the NATS server ends.
func (h *handler) say(ctx context.Context, s spoken) (said published, err error) {
	m := nats.NewMsg(h.tree.Live(h.room))
	if s.Durable {
		m.Subject = h.tree.Event(h.room)
	}
	m.Header.Set(wire.HeaderEvent, s.Event)
	m.Data = s.Data
	said.Subject = m.Subject

	quiet := slog.New(slog.DiscardHandler) // that it came and went is no news
	nc, err := natsconn.Open(h.cfg.Login(), subject.Backend, quiet)
	if err != nil {
		return said, fmt.Errorf("demo: %w", err)
	}
	defer nc.Close()
	if err := natsconn.Await(ctx, nc, quiet); err != nil {
		return said, fmt.Errorf("demo: %w", err)
	}
	if !s.Durable {
		if err := nc.PublishMsg(m); err != nil {
			return said, fmt.Errorf("demo: publish: %w", err)
		}
		if err := nc.FlushWithContext(ctx); err != nil {
			return said, fmt.Errorf("demo: flush: %w", err)
		}
		return said, nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return said, fmt.Errorf("demo: reach JetStream: %w", err)
	}
	ack, err := js.PublishMsg(ctx, m)
	if err != nil {
		return said, fmt.Errorf("demo: publish: %w", err)
	}
	said.Offset = ack.Sequence
	return said, nil
}
