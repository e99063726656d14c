// Package kv holds leases in buckets, and mirrors of buckets in memory.
//
// A Lease is a key that is there as long as its holder lives: it is written
// with a time to live, and again and again. A Mirror is a bucket as a map that
// is kept up to date by follow. There is no watcher and no consumer in here,
// and no clock of one machine is compared with another's: a lease is over when
// the NATS server says so.
//
// Who writes a value once, or changes it by compare-and-set, needs neither.
// Read this file first (what a record is), then lease.go and mirror.go.
package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// Headers of a bucket's records.
const (
	operation = "KV-Operation"       // DEL and PURGE: the key is deleted by somebody
	reason    = "Nats-Marker-Reason" // the key is deleted by the server: its time was up
)

// Gone reports whether a record with this header says that its key is gone.
// An empty value alone says nothing.
func Gone(h nats.Header) bool {
	op := natsconn.Header(h).Last(operation)
	return op == "DEL" || op == "PURGE" || natsconn.Header(h).Last(reason) != ""
}

// Record is what stands under a key. The zero Record is none.
type Record struct {
	Seq    uint64
	Header nats.Header // none where they cannot be read to their end: they are then nobody's who is known
	Value  []byte
	Time   time.Time // the server's, when it was stored
}

// Free reports whether the key has no value.
func (r Record) Free() bool { return r.Seq == 0 || Gone(r.Header) }

// Newest asks the leader of a stream for the newest record under a subject.
// Only the leader's word counts, as another replica may be behind.
func Newest(ctx context.Context, nc *nats.Conn, stream, subj string) (Record, error) {
	question, err := json.Marshal(map[string]string{"last_by_subj": subj})
	if err != nil {
		return Record{}, fmt.Errorf("kv: spell question for %s: %w", subj, err)
	}
	m, err := nc.RequestWithContext(ctx, subject.LeaderGet(stream), question)
	if err != nil {
		return Record{}, fmt.Errorf("kv: read %s: %w", subj, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq    uint64 `json:"seq"`
			Header []byte `json:"hdrs"`
			Data   []byte `json:"data"`

			Time time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return Record{}, fmt.Errorf("kv: read %s: %w", subj, err)
	}
	if e := answer.Error; e != nil {
		if e.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return Record{}, nil
		}
		return Record{}, fmt.Errorf("kv: read %s: %w", subj, e)
	}
	r := Record{Seq: answer.Message.Seq, Value: answer.Message.Data, Time: answer.Message.Time}
	if len(answer.Message.Header) > 0 {
		h, _ := natsconn.DecodeHeader(answer.Message.Header)
		r.Header = nats.Header(h)
	}
	return r, nil
}

// wrongSequence is what a cluster's leader answers to a compare-and-set that
// another one is just ahead of. The client has no name for it.
const wrongSequence jetstream.ErrorCode = 10164

// Raced reports whether err says that a compare-and-set found another record.
func Raced(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == wrongSequence)
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, wait time.Duration) (waited bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
