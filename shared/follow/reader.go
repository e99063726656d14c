package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// ErrChanged is what Read wraps when the stream is no longer of the epoch it
// was asked for, or ends below what was asked for.
var ErrChanged = errors.New("the log is another one")

// Reader reads a stream back in pages. It is a value without state, safe for
// concurrent use.
//
// jetstreamext has such a reader, too, which hides the mark at a batch's end
// and ends like success when half of a batch is lost.
type Reader struct {
	nc     *nats.Conn
	stream string
	wait   time.Duration
	retry  time.Duration
	page   int
}

// NewReader returns a Reader of cfg.Stream with the times and the page size of
// cfg. Give replays a connection of their own where they are many: the server
// serves a page in the read loop of the connection that asks.
func NewReader(nc *nats.Conn, cfg Config) *Reader {
	cfg = cfg.withDefaults()
	return &Reader{nc: nc, stream: cfg.Stream, wait: cfg.Wait, retry: cfg.Retry, page: cfg.Page}
}

// State is what a stream says of itself.
type State struct {
	Epoch   string        // store.Epoch
	First   uint64        // sequence of the oldest entry; with none, of the next one
	Last    uint64        // sequence of the newest entry ever stored
	LastAt  time.Time     // when that one was stored
	Led     bool          // a leader says so. About 10 s without one, followers answer, who may be behind
	Made    time.Time     // when the stream was made
	At      time.Time     // the server's clock
	Forgets time.Duration // how long a bucket remembers that a key is gone; 0 means for ever

	PerSubject int64         // entries that are kept of a subject; zero or less: all
	MaxAge     time.Duration // of an entry; likewise
	MaxBytes   int64         // of all entries; likewise
}

// State asks the stream once. The error wraps store.ErrMissing when there is
// none.
func (r *Reader) State(ctx context.Context) (State, error) {
	var info struct {
		jetstream.StreamInfo
		Error *jetstream.APIError `json:"error"`
	}
	if err := r.ask(ctx, subject.StreamInfo(r.stream), nil, &info); err != nil {
		return State{}, err
	}
	if info.Error != nil {
		if info.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound {
			return State{}, fmt.Errorf("follow: ask %s: %w", r.stream, store.ErrMissing)
		}
		return State{}, fmt.Errorf("follow: ask %s: %w", r.stream, info.Error)
	}
	return State{
		Epoch:   store.Epoch(&info.StreamInfo),
		First:   info.State.FirstSeq,
		Last:    info.State.LastSeq,
		LastAt:  info.State.LastTime,
		Led:     info.Cluster != nil && info.Cluster.Leader != "",
		Made:    info.Created,
		At:      info.TimeStamp,
		Forgets: info.Config.SubjectDeleteMarkerTTL,

		PerSubject: info.Config.MaxMsgsPerSubject,
		MaxAge:     info.Config.MaxAge,
		MaxBytes:   info.Config.MaxBytes,
	}, nil
}

// Read returns the next entries in (after, upTo] whose subject fits filter
// (empty for all), in order, at most a page. None, without an error, means
// that there are none: the stream's leader said so, as another replica may be
// behind without knowing it.
//
// While NATS gives no answer that proves anything Read asks again, until ctx
// ends. The error wraps ErrChanged when the stream is not of epoch or ends
// below upTo, and store.ErrMissing when there is no stream.
func (r *Reader) Read(ctx context.Context, epoch, filter string, after, upTo uint64) ([]Entry, error) {
	for after < upTo {
		page, err := r.batch(ctx, filter, after+1, int(min(upTo-after, uint64(r.page)))) //nolint:gosec // at most a page
		page = until(page, upTo)
		if len(page) == 0 && err == nil {
			page, err = r.confirm(ctx, epoch, filter, after, upTo)
		}
		if len(page) > 0 || err == nil {
			return page, nil
		}
		if errors.Is(err, ErrChanged) || errors.Is(err, store.ErrMissing) || errors.Is(err, nats.ErrConnectionClosed) {
			return nil, fmt.Errorf("follow: read %s after %d: %w", r.stream, after, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("follow: read %s after %d: %w", r.stream, after, ctx.Err())
		case <-time.After(r.retry):
		}
	}
	return nil, nil
}

// until cuts off what lies above upTo.
func until(page []Entry, upTo uint64) []Entry {
	for i, e := range page {
		if e.Seq > upTo {
			return page[:i]
		}
	}
	return page
}

// errNothing is an answer that proves nothing.
var errNothing = errors.New("no answer that proves anything")

// confirm asks the leader for the next entry above after. None, without an
// error, means that there is none up to upTo. The end of the log is asked
// first: if it has upTo then, and the same leader has no entry right after,
// there is none; a new leader would have left one of the two unanswered.
func (r *Reader) confirm(ctx context.Context, epoch, filter string, after, upTo uint64) ([]Entry, error) {
	st, err := r.State(ctx)
	if err != nil {
		return nil, err
	}
	if !st.Led {
		return nil, errNothing
	}
	if st.Epoch != epoch || st.Last < upTo {
		return nil, ErrChanged
	}
	e, ok, err := r.next(ctx, filter, after+1)
	if err != nil || !ok {
		return nil, err
	}
	return until([]Entry{e}, upTo), nil
}

// next asks the leader for the first entry from a sequence on that fits.
func (r *Reader) next(ctx context.Context, filter string, from uint64) (e Entry, ok bool, err error) {
	if filter == "" {
		filter = ">"
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := r.ask(ctx, subject.LeaderGet(r.stream), &getRequest{Seq: from, NextFor: filter}, &answer); err != nil {
		return Entry{}, false, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return Entry{}, false, nil
		}
		return Entry{}, false, answer.Error
	}
	m := answer.Message
	e = Entry{Seq: m.Seq, Subject: m.Subject, Data: m.Data, Time: m.Time}
	if len(m.Header) > 0 {
		// NATS stores what no client can read. Such an entry has no headers:
		// were it an error, it would be read again for ever.
		h, _ := natsconn.DecodeHeader(m.Header)
		e.Header = nats.Header(h)
	}
	return e, m.Seq >= from, nil
}

// getRequest asks for messages, in the server's words.
type getRequest struct {
	Seq      uint64 `json:"seq"`
	NextFor  string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

func (r *Reader) ask(ctx context.Context, subj string, question, answer any) error {
	var body []byte
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return fmt.Errorf("follow: spell question to %s: %w", subj, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	m, err := r.nc.RequestWithContext(ctx, subj, body)
	if err != nil {
		return fmt.Errorf("follow: ask %s: %w", subj, err)
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("follow: read answer of %s: %w", subj, err)
	}
	return nil
}

// mostBytes bounds a page in memory. The server sends at least one message.
const mostBytes = 4 << 20

// batch asks any replica for up to most entries from a sequence on. It returns
// what came in order until the end mark, a loss or silence: each entry proves
// that none is missing before it.
//
// The answers come to a channel, because the synchronous subscriptions of the
// client take an entry that its publisher gave a header "Status: 503" for the
// answer that nobody listens.
func (r *Reader) batch(ctx context.Context, filter string, from uint64, most int) (page []Entry, err error) {
	question, err := json.Marshal(getRequest{Seq: from, NextFor: filter, Batch: most, MaxBytes: mostBytes})
	if err != nil {
		return nil, fmt.Errorf("follow: spell question: %w", err)
	}
	answers := make(chan *nats.Msg, most+1)
	inbox := r.nc.NewInbox()
	sub, err := r.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, fmt.Errorf("follow: hear answers: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
	if err := r.nc.PublishRequest(subject.DirectGet(r.stream), inbox, question); err != nil {
		return nil, fmt.Errorf("follow: ask %s: %w", r.stream, err)
	}
	silence := time.NewTimer(r.wait)
	defer silence.Stop()
	before := uint64(0)
	for {
		select {
		case m := <-answers:
			// All that is here already, as a select and a timer for each cost
			// as much as to read it.
			for left := len(answers); ; left-- {
				e, ok := copyOf(m, r.stream)
				if !ok || natsconn.Header(m.Header).Last(previousHeader) != strconv.FormatUint(before, 10) {
					return page, nil
				}
				page, before = append(page, e), e.Seq
				if left == 0 {
					break
				}
				m = <-answers
			}
			silence.Reset(r.wait)
		case <-silence.C:
			return page, nil
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

func errNoLeader(stream string) error {
	return fmt.Errorf("follow: ask %s: %w", stream, errors.New("no leader"))
}
