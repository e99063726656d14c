package natsconn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Version is the version that micro services tell of themselves.
const Version = "0.1.0"

// Answerer is one micro service: hubmesh-authz and its endpoints, shared with
// its other replicas through the queue group of its name. It answers from its
// Answer calls until Stop.
type Answerer struct {
	nc    *nats.Conn
	svc   micro.Service
	log   *slog.Logger
	group string

	slots   chan struct{}  // bounds what is answered at once
	busy    sync.WaitGroup // answers under way, for Stop
	mu      sync.Mutex     // guards stopped; an answer is begun under it
	stopped bool
}

// answersAtOnce bounds the handlers of one service that run at the same time.
// What comes while all are busy waits in the NATS subscription.
const answersAtOnce = 256

// Service registers hubmesh-<name> as a micro service that answers under the
// queue group <name>. Endpoints are added with Answer; nothing is heard
// before.
func Service(nc *nats.Conn, name, description string, log *slog.Logger) (*Answerer, error) {
	svc, err := micro.AddService(nc, micro.Config{
		Name: "hubmesh-" + name, Version: Version, Description: description, QueueGroup: name,
	})
	if err != nil {
		return nil, fmt.Errorf("natsconn: add service %s: %w", name, err)
	}
	return &Answerer{nc: nc, svc: svc, log: log, group: name, slots: make(chan struct{}, answersAtOnce)}, nil
}

// Fault is an error that the asker hears: a code and a text fit for a reader.
// Any other error of a handler is logged and heard as wire.Internal.
type Fault struct {
	Code wire.Code
	Text string
}

func (f *Fault) Error() string { return string(f.Code) + ": " + f.Text }

// Answer adds an endpoint: requests on subject are read as In and answered
// with what answer returns, in a goroutine each, at most 256 at once. A body
// that is no In is answered with wire.Invalid. The context given to answer has
// ctx's values and ends after wait, not with ctx.
func Answer[In, Out any](ctx context.Context, a *Answerer, endpoint, subject string, wait time.Duration, answer func(context.Context, In) (Out, error)) error {
	handle := func(req micro.Request) {
		var in In
		if len(req.Data()) > 0 {
			if err := json.Unmarshal(req.Data(), &in); err != nil {
				a.refuse(req, &Fault{wire.Invalid, "body is not the JSON that " + endpoint + " reads"})
				return
			}
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
		defer cancel()
		out, err := answer(ctx, in)
		if err != nil {
			a.refuse(req, err)
			return
		}
		body, err := json.Marshal(out)
		if err != nil {
			a.refuse(req, err)
			return
		}
		a.reply(req, nil, body)
	}
	// micro calls handlers one at a time; a slow answer would delay all others.
	spread := func(req micro.Request) {
		a.mu.Lock()
		if a.stopped {
			a.mu.Unlock()
			handle(req) // what was here before Stop: drained with the connection
			return
		}
		a.busy.Add(1)
		a.mu.Unlock()
		a.slots <- struct{}{}
		go func() {
			defer func() { <-a.slots; a.busy.Done() }()
			handle(req)
		}()
	}
	if err := a.svc.AddEndpoint(endpoint, micro.HandlerFunc(spread), micro.WithEndpointSubject(subject)); err != nil {
		return fmt.Errorf("natsconn: add endpoint %s: %w", subject, err)
	}
	return nil
}

func (a *Answerer) refuse(req micro.Request, err error) {
	f := &Fault{Code: wire.Internal, Text: "see the log of " + a.group}
	if !errors.As(err, &f) {
		a.log.Error("natsconn: handler", "subject", req.Subject(), "err", err)
	}
	a.reply(req, nats.Header{
		micro.ErrorCodeHeader: {string(f.Code)}, micro.ErrorHeader: {f.Text}, wire.HeaderError: {string(f.Code)},
	}, nil)
}

// reply answers a request, past micro's own methods for it: those note an
// error in the request, which micro reads when the handler has returned, and
// ours returns before there is an answer.
func (a *Answerer) reply(req micro.Request, h nats.Header, body []byte) {
	if req.Reply() == "" {
		return // it was told, not asked
	}
	if err := a.nc.PublishMsg(&nats.Msg{Subject: req.Reply(), Header: h, Data: body}); err != nil {
		a.log.Warn("natsconn: answer lost", "subject", req.Subject(), "err", err)
	}
}

// Stop returns when NATS sends no more requests and those under way are
// answered. Some that NATS had sent before may still wait in the subscription:
// they are answered too, and whoever drains the connection waits for them.
func (a *Answerer) Stop() error {
	err := a.svc.Stop()
	if err == nil && a.nc.IsConnected() {
		err = a.nc.FlushTimeout(flushWait)
	}
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	a.busy.Wait()
	if err != nil && a.nc.IsConnected() { // else NATS has forgotten the subscriptions by itself
		return fmt.Errorf("natsconn: stop %s: %w", a.group, err)
	}
	return nil
}

// Call asks subject and reads the answer as Out, or returns a *Fault when the
// answer is an error, or what nats.go returns: nats.ErrNoResponders when
// nobody is there, context.DeadlineExceeded after ctx.
func Call[Out any](ctx context.Context, nc *nats.Conn, subject string, in any) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("natsconn: spell question to %s: %w", subject, err)
	}
	m, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return out, fmt.Errorf("natsconn: ask %s: %w", subject, err)
	}
	if f := FaultOf(m); f != nil {
		return out, f
	}
	if err := json.Unmarshal(m.Data, &out); err != nil {
		return out, fmt.Errorf("natsconn: read answer of %s: %w", subject, err)
	}
	return out, nil
}

// FaultOf is the error that an answer carries, or nil. A micro service of
// anyone's says it by its own header, a backend by Hub-Error.
func FaultOf(m *nats.Msg) *Fault {
	if c := m.Header.Get(wire.HeaderError); c != "" {
		text := m.Header.Get(micro.ErrorHeader)
		if text == "" {
			text = string(m.Data)
		}
		return &Fault{Code: wire.Code(c), Text: text}
	}
	if m.Header.Get(micro.ErrorCodeHeader) != "" {
		return &Fault{Code: wire.Internal, Text: m.Header.Get(micro.ErrorHeader)}
	}
	return nil
}
