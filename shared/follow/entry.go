package follow

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// What the server adds to the headers of a message it republishes or reads
// back.
const (
	streamHeader   = "Nats-Stream"
	subjectHeader  = "Nats-Subject"
	sequenceHeader = "Nats-Sequence"
	timeHeader     = "Nats-Time-Stamp"
	previousHeader = "Nats-Last-Sequence" // in a batch: of the message before, 0 in the first
)

// Entry is one message of the log.
type Entry struct {
	Seq     uint64      // its sequence in the stream
	Subject string      // where it was published: hub.event.task.42, $KV.HUB_GATEWAYS.g1
	Header  nats.Header // as published, then what the server added; nil where it cannot be read
	Data    []byte
	Time    time.Time // when the leader stored it
}

// last is a header's last value. A publisher may send headers of the server's
// names; the server writes its own behind them, and only that is true.
func last(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// mostUnread is more than the white space around anyone's headers, and less
// than the five headers that the server adds, which take 130 bytes and more.
const mostUnread = 96

// unread is how many bytes of a message's headers the client did not read.
// NATS takes headers that end early, with an empty line in their middle, and
// writes its own at the true end: the last values that the client knows are
// then the publisher's.
func unread(m *nats.Msg) int {
	n := m.Size() - len(m.Subject) - len(m.Reply) - len(m.Data) - len("NATS/1.0\r\n\r\n")
	for name, values := range m.Header {
		for _, v := range values {
			n -= len(name) + len(v) + len(":\r\n")
		}
	}
	return n
}

// copyOf reads a message as a copy of one of the stream's. It reports false
// for anything else: what lacks a sequence is a status of the server, whatever
// its Status header says, as publishers may send that one too.
//
// It reports false for some copies too, those whose headers cannot be read to
// their end. They are then missing, and read back from the leader, who tells
// sequence and time beside the headers.
func copyOf(m *nats.Msg, stream string) (e Entry, ok bool) {
	seq, err := strconv.ParseUint(last(m.Header, sequenceHeader), 10, 64)
	subj := last(m.Header, subjectHeader)
	if err != nil || seq == 0 || subj == "" || last(m.Header, streamHeader) != stream || unread(m) > mostUnread {
		return Entry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, last(m.Header, timeHeader))
	if err != nil {
		return Entry{}, false
	}
	return Entry{Seq: seq, Subject: subj, Header: m.Header, Data: m.Data, Time: at}, true
}
