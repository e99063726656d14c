package room

import (
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// Read reads an event that is about to be told, only when someone is there to
// hear it: the event, the connection that must not hear it, and whether it is
// an event at all. It runs under the lock of Rooms: it must parse and do
// nothing else.
type Read func() (e frame.Event, except string, ok bool)

// Spelt is an event, spelt once for each way to spell it, however many hear it.
// Not safe for concurrent use.
type Spelt struct {
	event  frame.Event
	signal bool
	lines  []spelling
}

// spelling is an event as one profile spells it.
type spelling struct {
	profile door.Profile
	line    *Line
}

// Spell returns e to be spelt when the first is there to hear it. It is no
// signal.
func Spell(e frame.Event) *Spelt { return &Spelt{event: e} }

// Line is the event as a profile spells it.
func (s *Spelt) Line(p door.Profile, framing Frame) *Line {
	for _, known := range s.lines {
		if known.profile == p {
			return known.line
		}
	}
	l := &Line{Wire: framing(p.Spell(s.event)), Signal: s.signal}
	s.lines = append(s.lines, spelling{p, l})
	return l
}

// Entry is one event on its way to members: read when the first is there to
// hear it, and spelt once, however many hear it and however often it is
// replayed. Only Rooms looks into it, under its lock.
type Entry struct {
	Offset uint64 // in the log; 0 for a signal
	Key    string // the room's, or of something that is no room's
	Size   int    // bytes that keeping it holds

	read   Read // nil once it was called
	except string
	ok     bool
	spelt  Spelt
}

// NewEntry returns an entry of the log.
func NewEntry(offset uint64, key string, size int, read Read) *Entry {
	return &Entry{Offset: offset, Key: key, Size: size, read: read}
}

// is reads the entry and reports whether it is an event.
func (e *Entry) is() bool {
	if e.read != nil {
		e.spelt.event, e.except, e.ok = e.read()
		e.spelt.signal = e.Offset == 0
		e.read = nil
	}
	return e.ok
}

// line spells the entry for a profile. is must have reported true.
func (e *Entry) line(p door.Profile, framing Frame) *Line { return e.spelt.Line(p, framing) }
