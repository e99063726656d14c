package room_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// kind is what a line is to an outbox.
type kind int

const (
	event  kind = iota // durable, or an answer: never thrown out
	signal             // may be thrown out
	past               // replayed: does not count
)

// line is text of at least size bytes.
func line(k kind, text string, size int) *room.Line {
	return &room.Line{
		Wire:   []byte(text + strings.Repeat(".", max(0, size-len(text)))),
		Signal: k == signal, Replayed: k == past,
	}
}

// short is what a line's text was.
func short(wire []byte) string { return strings.TrimRight(string(wire), ".") }

// play is one outbox and the story that is told of it.
type play struct {
	*testing.T
	o   *room.Outbox
	buf [][]byte
}

type step func(*play)

func offer(k kind, text string, size int, want bool) step {
	return func(p *play) {
		p.Helper()
		if got := p.o.Offer(line(k, text, size)); got != want {
			p.Fatalf("Offer(%s of %d bytes) = %v, want %v", text, size, got, want)
		}
	}
}

func offerMany(n int, k kind, text string, size int) step {
	return func(p *play) {
		p.Helper()
		shared := line(k, text, size)
		for i := range n {
			if !p.o.Offer(shared) {
				p.Fatalf("Offer(%s of %d bytes), the %dth, was refused", text, size, i+1)
			}
		}
	}
}

func take(most int, want ...string) step {
	return func(p *play) {
		p.Helper()
		lines, _, over := p.o.Take(p.buf[:0], most)
		p.buf = lines
		got := make([]string, len(lines))
		for i, l := range lines {
			got[i] = short(l)
		}
		if over || !slices.Equal(got, want) {
			p.Fatalf("Take(%d) = %v, over %v; want %v, over false", most, got, over, want)
		}
	}
}

// takeAll takes all there is, in one call.
func takeAll(n int) step {
	return func(p *play) {
		p.Helper()
		lines, _, _ := p.o.Take(p.buf[:0], 1<<30)
		if p.buf = lines; len(lines) != n {
			p.Fatalf("Take gave %d lines, want %d", len(lines), n)
		}
	}
}

func takeOver(want frame.End) step {
	return func(p *play) {
		p.Helper()
		if lines, end, over := p.o.Take(nil, 1); len(lines) != 0 || !over || end != want {
			p.Fatalf("Take = %d lines, %v, over %v; want none, %v, over true", len(lines), end, over, want)
		}
	}
}

func finish(e frame.End) step { return func(p *play) { p.o.Finish(e) } }

func thrown(want int) step {
	return func(p *play) {
		p.Helper()
		if got := p.o.Thrown(); got != want {
			p.Fatalf("Thrown() = %d, want %d", got, want)
		}
	}
}

func ends(want frame.End) step {
	return func(p *play) {
		p.Helper()
		if got, ended := p.o.End(); !ended || got != want {
			p.Fatalf("End() = %v, %v; want %v, true", got, ended, want)
		}
	}
}

func lives(p *play) {
	p.Helper()
	if e, ended := p.o.End(); ended {
		p.Fatalf("End() = %v, true; want an outbox that takes more", e)
	}
}

const (
	lines = room.MaxWaitingLines
	bytes = room.MaxWaitingBytes
)

func TestOutbox(t *testing.T) {
	stories := map[string][]step{
		"what is offered is taken in order": {
			offer(event, "a", 1, true), offer(signal, "b", 1, true), offer(event, "c", 1, true), take(100, "a", "b", "c"), take(100),
		},
		"no more is taken at once than asked for, but one": {
			offer(event, "a", 60, true), offer(event, "b", 60, true), offer(event, "c", 60, true),
			take(10, "a"), take(120, "b", "c"),
		},
		"the first line fits whatever its size": {
			offer(event, "huge", 3*bytes, true), lives, take(1, "huge"),
		},
		"a first signal fits whatever its size": {offer(signal, "huge", 3*bytes, true), take(1, "huge")},
		"the second line does not fit above the bytes that may wait": {
			offer(event, "a", bytes-10, true), offer(event, "b", 10, true), lives,
			offer(event, "c", 1, false), ends(frame.TooSlow),
		},
		"the bytes that may wait fit to the last": {
			offer(event, "a", 1, true), offer(event, "b", bytes-1, true), lives, takeAll(2),
		},
		"one line more than may wait ends it": {
			offerMany(lines, event, "a", 1), lives, offer(event, "b", 1, false), ends(frame.TooSlow),
		},
		"an outbox that was too slow gives nothing any more": {
			offerMany(lines, event, "a", 1), offer(event, "b", 1, false), takeOver(frame.TooSlow), offer(event, "c", 1, false),
		},
		"a signal that does not fit is refused and ends nothing": {
			offerMany(lines, event, "a", 1), offer(signal, "s", 1, false), lives, thrown(1), takeAll(lines),
		},
		"the oldest signals make room for an event": {
			offer(signal, "s1", 1, true), offer(event, "a", 1, true), offer(signal, "s2", 1, true), offer(signal, "s3", 1, true),
			offerMany(lines-4, event, "x", 1), offer(event, "b", 1, true), offer(event, "c", 1, true), thrown(2),
			take(3, "a", "s3"), takeAll(lines - 2),
		},
		"no more signals are thrown out than needed": {
			offer(signal, "s1", bytes/2, true), offer(signal, "s2", bytes/4, true), offer(event, "a", bytes/4, true),
			offer(event, "b", bytes/4, true), thrown(1), take(bytes, "s2", "a", "b"),
		},
		"signals that are not enough are no help": {
			offer(signal, "s", 1, true), offer(event, "a", bytes-1, true), offer(event, "b", bytes/2, false), ends(frame.TooSlow),
		},
		"behind signals alone the largest event fits": {
			offer(signal, "s1", 1, true), offer(signal, "s2", 1, true), offer(event, "huge", 2*bytes, true), lives, thrown(2), take(1, "huge"),
		},
		"what the writer has taken still waits": {
			offerMany(lines, event, "a", 1), takeAll(lines), offer(signal, "s", 1, false), offer(event, "b", 1, false), ends(frame.TooSlow),
		},
		"the writer's next look says that it is written": {
			offerMany(lines, event, "a", 1), takeAll(lines), take(1), offerMany(lines, event, "b", 1), lives,
		},
		"what the writer has taken is not thrown out": {
			offerMany(lines, signal, "s", 1), takeAll(lines), offer(event, "a", 1, false), ends(frame.TooSlow), thrown(0),
		},
		"what is replayed does not count": {
			offerMany(2*lines, past, "p", bytes/256), offerMany(lines, event, "a", 1), lives, takeAll(3 * lines),
		},
		"what is replayed is not thrown out": {
			offer(past, "p", 1, true), offer(signal, "s", 1, true), offerMany(lines, event, "a", 1), thrown(1), take(1, "p"),
		},
		"what waits is still given after the end": {
			offer(event, "a", 1, true), finish(frame.Restart), offer(event, "b", 1, false), take(1, "a"), takeOver(frame.Restart),
		},
		"the first end holds": {
			finish(frame.Restart), finish(frame.GoingAway), ends(frame.Restart), takeOver(frame.Restart),
		},
		"too slow does not follow another end": {
			offerMany(lines, event, "a", 1), finish(frame.Revoked), offer(event, "b", 1, false), ends(frame.Revoked), takeAll(lines),
		},
		"thrown signals are told once": {
			offerMany(lines, event, "a", 1), offer(signal, "s", 1, false), thrown(1), thrown(0),
		},
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			p := &play{T: t, o: room.NewOutbox()}
			for _, s := range story {
				s(p)
			}
		})
	}
}
