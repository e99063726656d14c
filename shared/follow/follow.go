// Package follow hears a stream, or a bucket, through the copies that the
// server republishes: in order, without holes, each entry once, for the price
// of one core subscription. The snapshot of a bucket is the same, begun at the
// first entry.
//
// It is not for streams that are purged or whose messages are deleted by
// sequence, since the server does not republish that; it keeps nothing, has no
// consumer, and decides nothing about what it hands over.
//
// How: W is the sequence up to which everything was handed over. The server
// numbers the copies without gaps, so W+1 is passed on, what is not above W
// was heard before, and anything higher waits until the hole below it has been
// read back. After a second of silence, after a reconnect and every few
// seconds the leader is asked for the end of the log, and what lies between is
// read back too.
//
//	a copy ──► hear ── W+1 ──────────────► Handler.Entry, W moves
//	             └─── higher ─► held ─► repair ─► fill in pages, then release
//	silence, reconnect ─► look ─► settle ──────► fill
//
// What it guarantees, as long as the stream says the truth:
//   - every entry that the stream keeps until it can be read is handed over,
//     in order and once, through slow consumers, cuts of the network, leaders
//     that step down and servers that die;
//   - a lost copy is read back at once when a later one comes, and within 2 s
//     when none does;
//   - what can no longer be read is told (Gone), and so is another log under
//     the same name (Reset). A bucket's hole is read back as it is now: of a
//     key that changed twice meanwhile, only the newest record.
//
// What it does not: the gap between two followers is not bounded, and while
// the stream has no leader nothing is known to be missing.
//
// What it costs, on two cores shared with the server: 0.5 µs and no allocation
// a copy that comes in order, beside what the NATS client does to parse it; a
// hole 0.2 ms and 10 µs an entry that is read back, during which what follows
// it waits (1 to 4 ms in a cluster); one question a second while the stream is
// silent, and one in five while it is not. At most Config.Channel +
// Config.Pending messages wait in memory, whatever their size.
//
// Read this file first (what a caller needs), then serve.go (the loop),
// repair.go (holes and other logs), reader.go (reading back) and entry.go (what
// is a copy).
package follow

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Handler is told the log. All calls come from the goroutine of Listen or of
// Serve, never two at once. No method may block but Page, and Entry where what
// comes must not be handed on yet: what is published meanwhile piles up, and is
// read back.
type Handler interface {
	// Entry is called for every entry, in order of Seq, once each.
	Entry(Entry)

	// Gone says that from to to, both included, were not heard and can no
	// longer be read: evicted or, in a bucket, overwritten.
	Gone(from, to uint64)

	// Reset says that what follows is another log, or so much later that the
	// entries between are left out. The next entry is above last. Where
	// Config.FromStart is set, last is 0 and the snapshot comes anew; what was
	// known of the log before must be forgotten.
	Reset(epoch string, last uint64, why Why)

	// Page is called while the follower catches up, after each page of a fill
	// and at least every 256 entries or 256 KiB. It may wait until what was
	// handed over is written, within bounds of its own: what is published
	// while it waits piles up, and overflows into a later fill.
	Page(ctx context.Context)
}

// Why says why a follower began anew.
type Why string

// The reasons of a Reset.
const (
	Anew      Why = "anew"      // the stream was made anew, or was given a new epoch
	Fell      Why = "fell"      // the end of the log is below what was heard: sequences are used again, under the same epoch
	Behind    Why = "behind"    // more than Config.MostBehind entries behind
	Forgotten Why = "forgotten" // deaf for so long that a bucket may have forgotten deletions
)

// Config says what is followed and how. Stream and Heard must be set.
type Config struct {
	Stream    string // the stream's whole name: HUB_EVENTS, KV_HUB_GATEWAYS
	Heard     string // where its copies are heard: hub.stored.*.*, hub.kv.gateways.*
	FromStart bool   // begin with what the stream holds (a bucket's snapshot), not at its end

	Silence    time.Duration // without an entry for so long, the end of the log is asked; 0 means 1s
	Check      time.Duration // the longest time between two such questions, however busy; 0 means 5s
	Wait       time.Duration // bound of one answer of NATS; 0 means 500ms
	Retry      time.Duration // pause after an answer that proves nothing; 0 means 20ms
	Page       int           // entries read back at once; 0 means 500
	Channel    int           // messages that may wait to be looked at; more are dropped, and read back; 0 means 8192
	Pending    int           // entries that may wait above a hole; more are dropped, and read back; 0 means 8192
	MostBehind uint64        // a larger gap is not read back, but Reset; not where FromStart is set; 0 means 200000
}

func (c Config) withDefaults() Config {
	def(&c.Silence, time.Second)
	def(&c.Check, 5*time.Second)
	def(&c.Wait, 500*time.Millisecond)
	def(&c.Retry, 20*time.Millisecond)
	def(&c.Page, 500)
	def(&c.Channel, 8192)
	def(&c.Pending, 8192)
	def(&c.MostBehind, 200_000)
	return c
}

func def[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Follower follows one stream. It is made by Listen and moved by Serve.
type Follower struct {
	nc     *nats.Conn
	cfg    Config
	h      Handler
	log    *slog.Logger
	reader *Reader
	sub    *nats.Subscription
	ch     chan *nats.Msg // the subscription's; sent to by nats.go, never closed

	// What follows belongs to the goroutine of Listen, then of Serve.
	base    string    // the epoch as the stream tells it
	made    time.Time // when that stream was made: older copies are of one before
	at      time.Time // when the entry W was stored
	whole   time.Time // the server's clock when W was last known to be the end
	held    []Entry   // above a hole, ascending, at most cfg.Pending
	suspect bool      // something heard or read does not fit this log
	told    string    // the trouble that was logged last
	resets  int

	handed      int // entries since the last Page, and their bytes
	handedBytes int

	asking  sync.WaitGroup // the question under way, see look
	dismiss func()         // gives it up
	looking bool           // there is one
	again   bool           // and another is wanted
	looked  chan found     // its answer

	count counters

	mu    sync.Mutex // guards epoch and w, which only the goroutine above writes
	epoch string
	w     uint64
}

// Position is the log's epoch and W, the sequence up to which everything was
// handed over. Safe for concurrent use.
func (f *Follower) Position() (epoch string, w uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch, f.w
}

// Last asks the leader for the sequence of the log's last entry. Safe for
// concurrent use.
func (f *Follower) Last(ctx context.Context) (uint64, error) {
	st, err := f.reader.State(ctx)
	if err != nil {
		return 0, err
	}
	if !st.Led {
		return 0, errNoLeader(f.cfg.Stream)
	}
	return st.Last, nil
}
