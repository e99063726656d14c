// Package ask puts a client's questions to authz, presence, ratelimit and
// backends, and says what their silence means.
//
// Every question has a bound and one answer by callback; nothing here blocks
// or owns a goroutine. What silence means: authz, nobody is let in
// (unavailable); presence, unavailable; ratelimit, the caller is told so and
// lets pass what its own limits allow; a backend, timeout, and no_handler when
// nobody listens.
//
// Read ask.go, then rights.go, presence.go and call.go.
package ask

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Config says how long answers may take.
type Config struct {
	DecideWait time.Duration // authz, and presence but for what is below; 0 means 2s
	TakeWait   time.Duration // ratelimit; 0 means 500ms
	CallWait   time.Duration // a backend; 0 means 10s
	ReportWait time.Duration // presence, of a report, which it may take 3s to store, or of a roster that must know one; 0 means 4s
}

// Asker asks. Safe for concurrent use.
type Asker struct {
	cfg   Config
	asker *natsconn.Asker
	tree  subject.Tree
	meter *meter.Meter
	log   *slog.Logger
}

// New returns an Asker over questions that asker carries.
func New(cfg Config, asker *natsconn.Asker, tree subject.Tree, m *meter.Meter, log *slog.Logger) *Asker {
	for _, d := range []struct {
		p   *time.Duration
		def time.Duration
	}{{&cfg.DecideWait, 2 * time.Second}, {&cfg.TakeWait, 500 * time.Millisecond}, {&cfg.CallWait, 10 * time.Second}, {&cfg.ReportWait, 4 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.def
		}
	}
	return &Asker{cfg: cfg, asker: asker, tree: tree, meter: m, log: log}
}

// question is one, and where it goes.
type question struct {
	who     meter.Asked
	subject string
	body    any
	wait    time.Duration

	optional bool // nobody need answer it: then the problem is no_handler
}

// put asks q and answers with what came back as Out, or with the problem.
func put[Out any](a *Asker, q question, answer func(Out, frame.Problem)) {
	var none Out
	body, err := spell(q.body)
	if err != nil {
		a.log.Error("ask: spell a question", obs.Subject, q.subject, obs.Err, err)
		answer(none, frame.Problem{Code: wire.Internal, Message: "the question could not be asked"})
		return
	}
	a.asker.Ask(&nats.Msg{Subject: q.subject, Data: body}, q.wait, func(m *nats.Msg, err error) {
		var out Out
		if err == nil {
			err = readAnswer(m, &out)
		}
		if err != nil {
			answer(none, a.problem(q, err))
			return
		}
		a.meter.Asked(q.who, meter.OK)
		answer(out, frame.Problem{})
	})
}

// spell writes a question. What came of clients goes on as it came: escaped for
// HTML it would be longer than it was when it was measured.
func spell(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

var errText = errors.New("ask: the answer is not UTF-8")

func readAnswer(m *nats.Msg, out any) error {
	if f := natsconn.FaultOf(m); f != nil {
		return f
	}
	if !utf8.Valid(m.Data) { // json lets broken UTF-8 pass, and parts of it go on to clients
		return errText
	}
	return json.Unmarshal(m.Data, out)
}

// problem says what a client hears when a service's answer is none.
func (a *Asker) problem(q question, err error) frame.Problem {
	var f *natsconn.Fault
	switch {
	case errors.As(err, &f) && f.Code == wire.Invalid:
		a.meter.Asked(q.who, meter.Refused)
		return frame.Problem{Code: f.Code, Message: f.Text}
	case errors.As(err, &f):
		a.meter.Asked(q.who, meter.Refused)
		a.log.Warn("ask: refused", obs.Subject, q.subject, obs.Err, err)
	case q.optional && errors.Is(err, nats.ErrNoResponders):
		a.meter.Asked(q.who, meter.Refused)
		return frame.Problem{Code: wire.NoHandler, Message: "nobody answers " + q.subject}
	case errors.Is(err, natsconn.ErrSilent), errors.Is(err, nats.ErrNoResponders):
		a.meter.Asked(q.who, meter.Silent)
		a.log.Debug("ask: silence", obs.Subject, q.subject, obs.Err, err)
	default:
		a.meter.Asked(q.who, meter.Silent)
		a.log.Debug("ask: no answer that can be read", obs.Subject, q.subject, obs.Err, err)
	}
	return frame.Problem{Code: wire.Unavailable, Message: string(q.who) + " does not answer now: try again"}
}

// Connect asks authz who a client is.
func (a *Asker) Connect(ask wire.ConnectAsk, answer func(wire.ConnectAnswer, frame.Problem)) {
	put(a, question{who: meter.Authz, subject: a.tree.Svc(subject.Authz, "connect"), body: ask, wait: a.cfg.DecideWait}, answer)
}

// Join asks authz what a user may do in rooms, and answers by the room's name.
func (a *Asker) Join(ask wire.JoinAsk, answer func(map[string]wire.RoomRights, frame.Problem)) {
	put(a, question{who: meter.Authz, subject: a.tree.Svc(subject.Authz, "join"), body: ask, wait: a.cfg.DecideWait},
		func(out wire.JoinAnswer, p frame.Problem) { answer(out.Rooms, p) })
}

// Take asks ratelimit for tokens. A problem means that it is silent.
func (a *Asker) Take(ask wire.TakeAsk, answer func(wire.TakeAnswer, frame.Problem)) {
	put(a, question{who: meter.Ratelimit, subject: a.tree.Svc(subject.Ratelimit, "take"), body: ask, wait: a.cfg.TakeWait}, answer)
}
