package ask

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Call is a client's own event, asked of a backend.
type Call struct {
	Event, User, Conn, Door string
	Data                    json.RawMessage
}

// maxMessage is how much of a backend's error text a client is told, in bytes.
const maxMessage = 1024

// Call asks whichever backend listens for the event, and answers with its
// reply as it is, or with the problem: what the backend says in Hub-Error,
// no_handler when nobody listens, timeout.
func (a *Asker) Call(c Call, answer func(json.RawMessage, frame.Problem)) {
	m := &nats.Msg{Subject: a.tree.Call(c.Event), Data: c.Data, Header: nats.Header{
		wire.HeaderUser:  {c.User},
		wire.HeaderConn:  {c.Conn},
		wire.HeaderEvent: {c.Event},
		wire.HeaderDoor:  {c.Door},
		wire.HeaderTrace: {traceparent()},
	}}
	a.asker.Ask(m, a.cfg.CallWait, func(m *nats.Msg, err error) {
		if err != nil {
			answer(nil, a.unanswered(c, err))
			return
		}
		if f := natsconn.FaultOf(m); f != nil {
			a.meter.Asked(meter.Backend, meter.Refused)
			text := strings.ToValidUTF8(f.Text[:min(len(f.Text), maxMessage)], "") // a letter may be cut
			answer(nil, frame.Problem{Code: f.Code, Message: text})
			return
		}
		a.meter.Asked(meter.Backend, meter.OK)
		answer(m.Data, frame.Problem{})
	})
}

func (a *Asker) unanswered(c Call, err error) frame.Problem {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		a.meter.Asked(meter.Backend, meter.Refused)
		return frame.Problem{Code: wire.NoHandler, Message: "no backend answers " + c.Event}
	case errors.Is(err, natsconn.ErrSilent):
		a.meter.Asked(meter.Backend, meter.Silent)
		return frame.Problem{Code: wire.Timeout, Message: fmt.Sprintf("the backend did not answer within %v", a.cfg.CallWait)}
	case errors.Is(err, nats.ErrMaxPayload):
		a.meter.Asked(meter.Backend, meter.Refused)
		return frame.Problem{Code: wire.TooLarge, Message: "more than NATS carries in one message"}
	}
	a.meter.Asked(meter.Backend, meter.Silent)
	return frame.Problem{Code: wire.Unavailable, Message: "NATS is away: try again"}
}

// traceparent begins a trace at the gateway (W3C Trace Context, version 00),
// not sampled: whether it is kept is the backend's choice.
func traceparent() string {
	//nolint:gosec // an id that tells traces apart hides nothing
	return fmt.Sprintf("00-%016x%016x-%016x-00", rand.Uint64(), rand.Uint64()|1, rand.Uint64()|1)
}
