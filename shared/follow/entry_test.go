package follow

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
)

func copied(seq uint64) *nats.Msg {
	return &nats.Msg{
		Subject: "hub.stored.task.42",
		Data:    make([]byte, 200),
		Header: nats.Header{
			"Hub-Event": {"task:update"}, "Hub-From": {"ann"},
			streamHeader: {"HUB_EVENTS"}, subjectHeader: {"hub.event.task.42"},
			sequenceHeader: {strconv.FormatUint(seq, 10)}, previousHeader: {"1"},
			timeHeader: {time.Unix(1_700_000_000, int64(seq)).UTC().Format(time.RFC3339Nano)},
		},
	}
}

func TestCopyOf(t *testing.T) {
	for name, story := range map[string]struct {
		change func(nats.Header)
		seq    uint64 // 0: no copy
	}{
		"a copy":                          {func(nats.Header) {}, 7},
		"the server's values are last":    {func(h nats.Header) { h[sequenceHeader] = []string{"9", "7"} }, 7},
		"a status of the publisher's":     {func(h nats.Header) { h["Status"] = []string{"503"} }, 7},
		"of another stream":               {func(h nats.Header) { h[streamHeader] = []string{"HUB_EVENTS", "OTHER"} }, 0},
		"without a sequence: a status":    {func(h nats.Header) { delete(h, sequenceHeader) }, 0},
		"sequence 0":                      {func(h nats.Header) { h[sequenceHeader] = []string{"0"} }, 0},
		"a sequence that is no number":    {func(h nats.Header) { h[sequenceHeader] = []string{"-7"} }, 0},
		"without a time":                  {func(h nats.Header) { delete(h, timeHeader) }, 0},
		"without a subject":               {func(h nats.Header) { delete(h, subjectHeader) }, 0},
		"no values under the name at all": {func(h nats.Header) { h[sequenceHeader] = nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := copied(7)
			story.change(m.Header)
			e, ok := copyOf(m, "HUB_EVENTS")
			if ok != (story.seq > 0) || e.Seq != story.seq {
				t.Errorf("copyOf = %d, %v; want %d", e.Seq, ok, story.seq)
			}
		})
	}
}

func FuzzCopyOf(f *testing.F) {
	f.Add([]byte("NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2026-01-01T00:00:00Z\r\n\r\n"))
	f.Add([]byte("NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 4\r\n\r\n"))
	f.Add([]byte("NATS/1.0\r\nNats-Sequence: 77\r\n\r\nX: y\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := nats.DecodeHeadersMsg(raw)
		if err != nil {
			return
		}
		e, ok := copyOf(&nats.Msg{Subject: "s", Header: h}, "S")
		if ok && (e.Seq == 0 || e.Subject == "" || e.Time.IsZero() && natsconn.Header(h).Last(timeHeader) == "") {
			t.Errorf("copyOf(%q) = %+v", raw, e)
		}
	})
}

type deaf struct{}

func (deaf) Entry(Entry)               {}
func (deaf) Gone(_, _ uint64)          {}
func (deaf) Reset(string, uint64, Why) {}
func (deaf) Page(context.Context)      {}

// BenchmarkHear is what one copy that comes in order costs, after the client
// has parsed it.
func BenchmarkHear(b *testing.B) {
	const n = 1024
	var copies []*nats.Msg
	for seq := range uint64(n) {
		copies = append(copies, copied(seq+1))
	}
	f := &Follower{cfg: Config{Stream: "HUB_EVENTS"}.withDefaults(), h: deaf{}, log: slog.New(slog.DiscardHandler)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%n == 0 {
			f.w = 0
		}
		f.hear(copies[i%n])
	}
	if f.count.foreign.Load() > 0 || len(f.held) > 0 {
		b.Fatal("not all were in order")
	}
}
