// Package ledger stores records in streams, each by compare-and-set on the one
// that it replaces, and many at once.
//
// It knows no presence, keeps nothing, and tries nothing twice: who lost a race
// must look again before it knows what to write.
package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natsconn"
)

// by is the header that says which ledger has written a record.
const by = "Hub-By"

// wait bounds one answer. A leader that is elected anew takes longer: its
// streams are then asked again by who wrote.
const wait = time.Second

// Ledger writes. Its methods are safe for concurrent use.
type Ledger struct {
	nc    *nats.Conn
	asker *natsconn.Asker
	id    string
}

// New returns a ledger that marks what it writes with id. Answers come while
// Serve runs.
func New(nc *nats.Conn, id string) (*Ledger, error) {
	asker, err := natsconn.NewAsker(nc)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{nc: nc, asker: asker, id: id}, nil
}

// Serve answers with silence what is not answered in time, until ctx ends.
func (l *Ledger) Serve(ctx context.Context) error { return l.asker.Serve(ctx) }

// Mine reports whether a record with this header was written by this ledger.
func (l *Ledger) Mine(h nats.Header) bool { return natsconn.Header(h).Last(by) == l.id }

// Any is Record.After where it does not matter what is replaced.
const Any = ^uint64(0)

// Record is what is stored.
type Record struct {
	Subject string
	Body    any           // spelt as JSON; nil: nothing
	After   uint64        // sequence of the record that it replaces, 0 where there must be none, or Any
	Stays   time.Duration // whole seconds; 0: for ever
	Gone    bool          // it is the marker of what has gone; Stays must be set
	ID      string        // stored once within two minutes; empty: as often as it comes
}

// Answer is a record under way.
type Answer struct {
	subject string
	done    chan struct{}
	seq     uint64
	err     error
}

// Send begins to store a record, and returns at once. What one goroutine sends
// reaches NATS in that order.
func (l *Ledger) Send(r Record) *Answer {
	a := &Answer{subject: r.Subject, done: make(chan struct{})}
	m := nats.NewMsg(r.Subject)
	if r.Body != nil {
		if m.Data, a.err = json.Marshal(r.Body); a.err != nil {
			close(a.done)
			return a
		}
	}
	m.Header.Set(by, l.id)
	if r.After != Any {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(r.After, 10))
	}
	if r.Stays > 0 {
		m.Header.Set(jetstream.MsgTTLHeader, r.Stays.String())
	}
	if r.Gone {
		m.Header.Set("KV-Operation", "PURGE")
		m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	}
	if r.ID != "" {
		m.Header.Set(jetstream.MsgIDHeader, r.ID)
	}
	l.asker.Ask(m, wait, func(answer *nats.Msg, err error) {
		a.seq, a.err = read(answer, err)
		close(a.done)
	})
	return a
}

// read reads what JetStream says of a record.
func read(answer *nats.Msg, err error) (seq uint64, _ error) {
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("ledger: read answer: %w", err)
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	return ack.Seq, nil
}

// Wait returns the record's sequence once it is stored. An error for which
// kv.Raced is true says that another record is there; after any other it is
// not known whether it was stored.
func (a *Answer) Wait(ctx context.Context) (seq uint64, err error) {
	select {
	case <-a.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("ledger: store %s: %w", a.subject, ctx.Err())
	}
	if a.err != nil {
		return 0, fmt.Errorf("ledger: store %s: %w", a.subject, a.err)
	}
	return a.seq, nil
}

// Store is Send and Wait.
func (l *Ledger) Store(ctx context.Context, r Record) (seq uint64, err error) {
	return l.Send(r).Wait(ctx)
}
