// Package spelling reads the records and words of presence's logs, millions of
// them when a replica begins, without reflection and almost without garbage.
//
// Presence itself has written them, so nearly all are spelt as encoding/json
// spells these types: no space, the fields in their order, plain strings. That
// spelling is read here. Any other one, right or wrong, is left to
// encoding/json, so that what is understood, and what is not, is the same.
//
// It judges nothing of what it has read. Read this file first, then cursor.go.
package spelling

import (
	"encoding/json"
	"fmt"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Reader reads one log. What it returns holds until it is asked for the next,
// but for strings, which hold for ever. Make one with NewReader. It is not safe
// for concurrent use.
type Reader struct {
	rec  wire.PresenceRecord
	word wire.PresenceTold
	seen texts
}

// NewReader returns a reader that has read nothing.
func NewReader() *Reader { return &Reader{seen: texts{}} }

// Record reads a record of HUB_PRESENCE. Its Info is a part of data.
func (r *Reader) Record(data []byte) (*wire.PresenceRecord, error) {
	c := cursor{rest: data, seen: r.seen}
	r.rec = wire.PresenceRecord{Rooms: r.rec.Rooms[:0]}
	if c.record(&r.rec); c.whole() {
		return &r.rec, nil
	}
	r.rec = wire.PresenceRecord{}
	if err := json.Unmarshal(data, &r.rec); err != nil {
		return nil, fmt.Errorf("spelling: read record: %w", err)
	}
	return &r.rec, nil
}

// Word reads a word of HUB_TOLD. Its Info and its Data are parts of data.
func (r *Reader) Word(data []byte) (*wire.PresenceTold, error) {
	c := cursor{rest: data, seen: r.seen}
	r.word = wire.PresenceTold{}
	if c.word(&r.word); c.whole() {
		return &r.word, nil
	}
	r.word = wire.PresenceTold{}
	if err := json.Unmarshal(data, &r.word); err != nil {
		return nil, fmt.Errorf("spelling: read word: %w", err)
	}
	return &r.word, nil
}

// record reads what encoding/json writes of a wire.PresenceRecord.
func (c *cursor) record(rec *wire.PresenceRecord) {
	c.open()
	if c.field(`"turn":`) {
		rec.Turn = c.number()
	}
	if c.field(`"door":`) {
		rec.Door = c.known()
	}
	if c.field(`"ip":`) {
		rec.IP = string(c.text())
	}
	if c.field(`"since":`) {
		rec.Since = c.signed()
	}
	if c.field(`"info":`) {
		rec.Info = c.raw()
	}
	if c.field(`"rooms":`) {
		rec.Rooms = c.names(rec.Rooms)
	}
	if c.field(`"status":`) {
		rec.Status = c.status()
	}
	if c.field(`"statusAt":`) {
		rec.StatusAt = c.signed()
	}
	if c.field(`"end":`) {
		rec.End = c.end()
	}
	rec.Told = c.field(`"told":`) && c.yes()
	rec.Swept = c.field(`"swept":`) && c.yes()
	c.shut()
}

// status is kept by who reads it, so nothing of it is a part of what is read.
func (c *cursor) status() *wire.UserStatus {
	s := new(wire.UserStatus)
	c.open()
	if c.field(`"status":`) {
		s.Status = c.known()
	}
	if c.field(`"text":`) {
		s.Text = string(c.text())
	}
	if c.field(`"data":`) {
		s.Data = append(s.Data, c.raw()...)
	}
	c.shut()
	return s
}

func (c *cursor) end() *wire.PresenceEnd {
	e := new(wire.PresenceEnd)
	c.open()
	if c.field(`"at":`) {
		e.At = c.signed()
	}
	if c.field(`"reason":`) {
		e.Reason = c.known()
	}
	e.Grace = c.field(`"grace":`) && c.yes()
	c.shut()
	return e
}

// word reads what encoding/json writes of a wire.PresenceTold.
func (c *cursor) word(m *wire.PresenceTold) {
	c.open()
	if c.field(`"room":`) {
		m.Room = c.known()
	}
	if c.field(`"user":`) {
		m.User = string(c.text())
	}
	if c.field(`"status":`) {
		m.Status = c.known()
	}
	if c.field(`"connections":`) {
		m.Connections = int(c.signed())
	}
	if c.field(`"change":`) {
		m.Change = wire.Change(c.known())
	}
	if c.field(`"info":`) {
		m.Info = c.raw()
	}
	if c.field(`"text":`) {
		m.Text = string(c.text())
	}
	if c.field(`"data":`) {
		m.Data = c.raw()
	}
	if c.field(`"users":`) {
		m.Users = int(c.signed())
	}
	if c.field(`"epoch":`) {
		m.Epoch = c.known()
	}
	if c.field(`"log":`) {
		m.Log = c.number()
	}
	c.shut()
}
