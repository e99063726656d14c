package relay

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Outgoing is an event of a client's on its way to the bus.
type Outgoing struct {
	Room   subject.Room
	Event  frame.Event
	Except string // the connection that must not hear it, or ""
	ID     string // of a durable event: one id is stored once within two minutes
}

func (o Outgoing) message(subj string) *nats.Msg {
	h := nats.Header{wire.HeaderEvent: {o.Event.Name}, wire.HeaderFrom: {o.Event.From}}
	if o.Except != "" {
		h[wire.HeaderExcept] = []string{o.Except}
	}
	if o.Event.Binary {
		h[wire.HeaderContentType] = []string{wire.TypeBinary}
	}
	if o.ID != "" {
		h[nats.MsgIdHdr] = []string{o.ID}
	}
	return &nats.Msg{Subject: subj, Header: h, Data: o.Event.Data}
}

// Signal sends an event that is not stored: to whoever hears it now.
func (r *Relay) Signal(o Outgoing) frame.Problem {
	err := r.nc.PublishMsg(o.message(r.tree.Live(o.Room)))
	switch {
	case err == nil:
		return frame.Problem{}
	case errors.Is(err, nats.ErrMaxPayload):
		return tooLarge()
	}
	return away()
}

func tooLarge() frame.Problem {
	return frame.Problem{Code: wire.TooLarge, Message: "more than NATS carries in one message"}
}

func away() frame.Problem {
	return frame.Problem{Code: wire.Unavailable, Message: "the event could not be stored now: try again with the same key"}
}

// Store has an event stored, and answers with its offset, or with the problem.
// While the stream has no leader, or an answer is lost, it is tried again with
// the same id, so it is stored once; after Config.Store it is unavailable, and
// then it may or may not have been stored. While NATS is away it is unavailable
// at once, and was not. answer is called once, on whatever goroutine knows.
func (r *Relay) Store(o Outgoing, answer func(offset uint64, p frame.Problem)) {
	if !r.nc.IsConnected() {
		r.meter.Asked(meter.Log, meter.Silent)
		answer(0, away())
		return
	}
	r.attempt(o, time.Now().Add(r.cfg.Store), answer)
}

// retryAfter is the pause before a durable event is tried again.
const retryAfter = 250 * time.Millisecond

func (r *Relay) attempt(o Outgoing, until time.Time, answer func(uint64, frame.Problem)) {
	r.asker.Ask(o.message(r.tree.Event(o.Room)), r.cfg.Attempt, func(m *nats.Msg, err error) {
		offset, p, again := r.judge(m, err)
		switch {
		case again && !errors.Is(err, nats.ErrConnectionClosed) && time.Now().Add(retryAfter).Before(until):
			time.AfterFunc(retryAfter, func() { r.attempt(o, until, answer) })
			return
		case again:
			r.meter.Asked(meter.Log, meter.Silent)
			p = away()
		case p.Is():
			r.meter.Asked(meter.Log, meter.Refused)
		default:
			r.meter.Asked(meter.Log, meter.OK)
		}
		answer(offset, p)
	})
}

// What JetStream says when an event is not stored and never will be.
const (
	jsTooLarge = 10054 // over the stream's own limit
	jsFull     = 10077 // the stream is full and drops nothing
)

// judge reads an answer of JetStream to a publish: an offset, a problem that
// stays, or again.
func (r *Relay) judge(m *nats.Msg, err error) (offset uint64, p frame.Problem, again bool) {
	if errors.Is(err, nats.ErrMaxPayload) {
		return 0, tooLarge(), false
	}
	if err != nil {
		return 0, p, true
	}
	var ack struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
		Error  *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil || ack.Error == nil && ack.Seq == 0 {
		// Somebody else answered on the subject of an event.
		r.log.Error("relay: an answer to a durable event is no answer of JetStream", obs.Subject, m.Subject, obs.Err, err)
		return 0, away(), false
	}
	if ack.Error == nil {
		return ack.Seq, p, false
	}
	switch ack.Error.Code {
	case jsTooLarge:
		return 0, tooLarge(), false
	case jsFull:
		r.log.Error("relay: the stream is full", obs.Stream, r.tree.Stream(subject.Events), obs.Err, ack.Error.Description)
		return 0, away(), false
	}
	return 0, p, true
}
