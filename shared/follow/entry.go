package follow

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
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
	Header  nats.Header // as published, then what the server added; nil where it cannot be read to its end
	Data    []byte
	Time    time.Time // when the leader stored it
}

// copyOf reads a message as a copy of one of the stream's. It reports false
// for anything else: what lacks a sequence is a status of the server, whatever
// its Status header says, as publishers may send that one too.
//
// It reports false for some copies too, those whose headers cannot be read to
// their end. They are then missing, and read back from the leader, who tells
// sequence and time beside the headers.
func copyOf(m *nats.Msg, stream string) (e Entry, ok bool) {
	h, whole := natsconn.ReadHeader(m)
	seq, err := strconv.ParseUint(h.Last(sequenceHeader), 10, 64)
	subj := h.Last(subjectHeader)
	if err != nil || seq == 0 || subj == "" || h.Last(streamHeader) != stream || !whole {
		return Entry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, h.Last(timeHeader))
	if err != nil {
		return Entry{}, false
	}
	return Entry{Seq: seq, Subject: subj, Header: m.Header, Data: m.Data, Time: at}, true
}
