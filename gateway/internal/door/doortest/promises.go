package doortest

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Hear gives a packet to a talk and holds what comes of it to what a door
// promises for any bytes at all. It returns what was understood. Fuzz targets
// of doors are made of it.
func Hear(t testing.TB, talk door.Talk, p door.Packet) []frame.In {
	t.Helper()
	asks, now := talk.Hear(p)
	speakable(t, now)
	for _, ask := range asks {
		if ask == nil {
			t.Fatalf("Hear(%q) understood nil", p.Data)
		}
		ref := frame.RefOf(ask)
		refused := talk.Say(frame.Refused{Ref: ref, Code: wire.Invalid, Message: "no"})
		speakable(t, refused)
		if !ref.Wanted {
			continue
		}
		done := talk.Say(frame.Ack{Ref: ref, Body: frame.Done{}})
		speakable(t, done)
		if len(refused) == 0 || len(done) == 0 {
			t.Fatalf("Hear(%q) understood %s, whose answer cannot be said", p.Data, showIn(ask))
		}
	}
	return asks
}

// Written is every packet that clients write in the stories of dir: seeds for
// a fuzz target.
func Written(tb testing.TB, dir string) (all []door.Packet) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path) //nolint:gosec // a file of the test's own
		if err != nil {
			tb.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			form, ok := strings.CutPrefix(verb, ">")
			if !ok {
				continue
			}
			p, err := packet(form, rest)
			if err != nil {
				tb.Fatalf("%s: %q: %v", path, line, err)
			}
			all = append(all, p)
		}
	}
	return all
}

func speakable(t testing.TB, packets []door.Packet) {
	t.Helper()
	for _, p := range packets {
		if !p.Binary && !utf8.Valid(p.Data) {
			t.Fatalf("a text packet is no UTF-8: %q", p.Data)
		}
	}
}

// meet is the plainest connection.
func (s Suite) meet(t *testing.T) door.Talk {
	t.Helper()
	hello, err := s.hello(http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return hello.Talk
}

func (s Suite) profilesAreShared(t *testing.T) {
	t.Helper()
	a, b := s.meet(t).Profile(), s.meet(t).Profile()
	if !reflect.TypeOf(a).Comparable() {
		t.Fatalf("a profile, %T, is not comparable", a)
	}
	if a != b {
		t.Errorf("two connections of one handshake have the profiles %v and %v, want the same", a, b)
	}
}

func (s Suite) spellsAtOnce(t *testing.T) {
	t.Helper()
	const many = 8
	profile := s.meet(t).Profile()
	e := frame.Event{Name: "task:update", Room: "task:42", Data: []byte(`{"n":1}`), Offset: 3, From: "ann", TimeMs: 5}
	var spelt [many][]door.Packet
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() { spelt[i] = profile.Spell(e) })
	}
	wg.Wait()
	for _, p := range spelt {
		if !reflect.DeepEqual(p, spelt[0]) {
			t.Errorf("Spell gave %v, and %v at the same time", p, spelt[0])
		}
	}
	if string(e.Data) != `{"n":1}` {
		t.Errorf("Spell changed the event's data into %q", e.Data)
	}
}

// noStatus is the close frame without a code (RFC 6455, 7.1.5).
const noStatus = 1005

func (s Suite) endsAreSpelt(t *testing.T) {
	t.Helper()
	for _, e := range frame.Ends() {
		last, code, reason := s.meet(t).Bye(e)
		speakable(t, last)
		// RFC 6455, 7.4: 1004 and 1006 never stand in a frame, 1010 and 1011
		// are not an end's; 3000 to 4999 are the applications' own.
		own := code >= 3000 && code <= 4999
		if !own && code != noStatus && (code < 1000 || code > 1012 || code == 1004 || code == 1006 || code == 1010) {
			t.Errorf("Bye(%v) = %d, which may not stand in a close frame", e, code)
		}
		if len(reason) > 123 || !utf8.ValidString(reason) { // 5.5: 125 bytes, two of them the code
			t.Errorf("Bye(%v) has a reason that no close frame holds: %q", e, reason)
		}
	}
}
