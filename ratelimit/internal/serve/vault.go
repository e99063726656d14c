package serve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/ratelimit/internal/bucket"
	"github.com/hubmesh/hubmesh/ratelimit/internal/meter"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// attempts is how often one record is tried. A lost race means that another
// replica wrote, so with r replicas at one bucket about r tries are needed.
const attempts = 16

// pace is how long a try waits more than the one before, at most, while a
// cluster's leader is still writing what another replica has sent. That takes
// about a millisecond, in which the record could be read and lost many times.
const pace = time.Millisecond

// margin is how much longer than a bucket takes to fill its record is kept.
// The record of a full bucket says nothing, so losing it then changes nothing;
// the margin is for clocks that differ.
const margin = 10 * time.Second

var (
	errLost = errors.New("the KV bucket is not there")
	errRace = errors.New("other replicas were ahead in every try")
)

// inFlight is what a cluster's leader answers to a compare-and-set while it is
// still writing another one to the same key; the client has no name for it.
const inFlight nats.ErrorCode = 10164

// vault is the KV bucket with the records. It reads and writes through
// nats.JetStreamContext: package jetstream asks any replica or the leader as
// the stream is set up, but both are needed here.
type vault struct {
	js     nats.JetStreamContext
	tree   subject.Tree
	stream string
	now    func() time.Time
	meter  *meter.Meter
}

// record is what stands under a key. Seq 0 is nothing.
type record struct {
	bucket bucket.Bucket
	seq    uint64
}

func newVault(nc *nats.Conn, tree subject.Tree, now func() time.Time, m *meter.Meter) (*vault, error) {
	js, err := nc.JetStream()
	if err != nil {
		return nil, fmt.Errorf("ratelimit: use JetStream: %w", err)
	}
	return &vault{js: js, tree: tree, stream: tree.BucketStream(subject.Quota), now: now, meter: m}, nil
}

// spend takes for asks from the bucket of key. An error means that nobody was
// granted anything; tokens may be gone all the same, if the write was stored
// and its answer lost.
//
// The first look asks any replica, which may be behind. A bucket only becomes
// emptier by writes, so what is refused by an old record is refused rightly,
// and what is granted by one is not stored; then the leader is asked.
func (v *vault) spend(ctx context.Context, key bucket.Key, l limit.Limit, asks []bucket.Ask) ([]bucket.Grant, error) {
	subj := v.tree.Key(subject.Quota, key.Record())
	look := []nats.JSOpt{nats.Context(ctx), nats.DirectGet()}
	for try := range attempts {
		r, err := v.read(subj, look)
		if err != nil {
			return nil, err
		}
		left, grants, spent := r.bucket.Take(l, v.now(), asks)
		if !spent {
			return grants, nil
		}
		code, err := v.write(ctx, subj, left, r.seq, l.Fill()+margin)
		switch {
		case err == nil:
			return grants, nil
		case code == inFlight:
			pause(ctx, rand.N(pace*time.Duration(try+1))) //nolint:gosec // spreads replicas, hides nothing
		case code != nats.JSErrCodeStreamWrongLastSequence:
			return nil, err
		}
		v.meter.Races.Inc()
		look = []nats.JSOpt{nats.Context(ctx)}
	}
	return nil, fmt.Errorf("ratelimit: write %s: %w", subj, errRace)
}

// pause waits, or until ctx ended.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read returns the zero record where there is none, or none that is a bucket:
// a record that somebody deleted by hand, or wrote, is written over.
func (v *vault) read(subj string, look []nats.JSOpt) (record, error) {
	m, err := v.js.GetLastMsg(v.stream, subj, look...)
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return record{}, nil
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrStreamNotFound):
		return record{}, fmt.Errorf("ratelimit: read %s: %w", subj, errLost)
	case err != nil:
		return record{}, fmt.Errorf("ratelimit: read %s: %w", subj, err)
	}
	b, err := bucket.Read(m.Data)
	if err != nil {
		b = bucket.Bucket{}
	}
	return record{b, m.Sequence}, nil
}

// write puts b after the record that has sequence after, to stay for ttl,
// rounded up to whole seconds, which is how NATS counts them. With an error it
// returns what JetStream said of it, or 0.
func (v *vault) write(ctx context.Context, subj string, b bucket.Bucket, after uint64, ttl time.Duration) (nats.ErrorCode, error) {
	m := nats.NewMsg(subj)
	m.Data = b.Text()
	_, err := v.js.PublishMsg(m, nats.Context(ctx), nats.RetryAttempts(0),
		nats.ExpectLastSequencePerSubject(after), nats.MsgTTL((ttl + time.Second - 1).Truncate(time.Second)))
	if err == nil {
		return 0, nil
	}
	var code nats.ErrorCode
	if api := (*nats.APIError)(nil); errors.As(err, &api) {
		code = api.ErrorCode
	}
	if errors.Is(err, nats.ErrNoStreamResponse) {
		err = errLost
	}
	return code, fmt.Errorf("ratelimit: write %s: %w", subj, err)
}
