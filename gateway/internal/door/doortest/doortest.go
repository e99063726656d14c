// Package doortest holds every door to the same stories and the same promises.
//
// A story is text: what the client writes and what the gateway says, and under
// each such line what came of it. The files of a door lie in its testdata; a
// door's test makes a Suite and runs it. With Update the suite writes what
// came of each line into the files instead of comparing, and the difference is
// reviewed like code.
//
//	== a room is a text
//	> {"id":1,"event":"subscribe","data":"task:42"}
//	= Subscribe #1 room="task:42"
//
// What is to be done:
//
//	# …                    a remark
//	with NAME: VALUE       adds a header to the next handshake
//	meet QUERY             begins with a handshake; without one, with Suite.Query
//	> TEXT                 the client writes a text packet
//	>q "TEXT"              the same, quoted as in Go
//	>x HEX                 the client writes a binary packet
//	say OUT                the client is told OUT (out.go has the spellings)
//	tell OUT               all that share its profile are told OUT, an event
//	tick DURATION          so much time has passed since the story began
//	end WHY                the connection ends; WHY is a frame.End's text
//	refuse CODE MESSAGE    the handshake is refused
//
// What came of it:
//
//	= …                    what was understood
//	< TEXT, <q, <x         a packet to the client, spelt as above
//	<close CODE REASON     the WebSocket's close frame
//	<http STATUS TYPE BODY the answer to a refused handshake
//
// The file every.txt is not written by hand: it holds what every door must be
// able to say, each frame.Out, frame.Body, frame.End and wire.Code. The package
// opens no connection. Read story.go, then show.go and out.go (how frames are
// written in stories) and promises.go (what is asked beside the stories).
package doortest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// Suite is a door, and what cannot be known of it from here.
type Suite struct {
	Door   door.Door
	Query  string     // of a handshake that the door takes
	Never  []frame.In // kinds that cannot be said in the protocol
	Dir    string     // where the stories are; "" means testdata
	Update bool       // write what came, do not compare
}

// Run tells all stories and asks for all promises.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	if s.Dir == "" {
		s.Dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(s.Dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range files {
		if filepath.Base(path) == everyFile {
			continue
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the test's own
		if err != nil {
			t.Fatal(err)
		}
		s.file(t, path, string(text), seen)
	}
	s.file(t, filepath.Join(s.Dir, everyFile), every(), map[string]bool{})
	s.understoods(t, seen)
	t.Run("events are spelt once for all who share a profile", s.profilesAreShared)
	t.Run("an event is spelt for many at once", s.spellsAtOnce)
	t.Run("every end has a close frame that may stand on the wire", s.endsAreSpelt)
}

// understoods holds the stories to telling every kind of ask.
func (s Suite) understoods(t *testing.T, seen map[string]bool) {
	t.Helper()
	for _, in := range s.Never {
		if seen[kind(in)] {
			t.Errorf("the stories tell %s, which is said to be never understood", kind(in))
		}
		seen[kind(in)] = true
	}
	for _, in := range ins() {
		if !seen[kind(in)] {
			t.Errorf("no story in %s tells how %s is understood", s.Dir, kind(in))
		}
	}
}

// file tells the stories in source and compares each with the one of its title
// in the file, or writes them there.
func (s Suite) file(t *testing.T, path, source string, seen map[string]bool) {
	t.Helper()
	want := map[string]string{}
	if !s.Update {
		want = written(t, path)
	}
	var told strings.Builder
	titles := map[string]bool{}
	for _, st := range stories(source) {
		if titles[st.title] {
			t.Fatalf("%s has two stories called %q", path, st.title)
		}
		titles[st.title] = true
		t.Run(filepath.Base(path)+": "+st.title, func(t *testing.T) {
			got := s.tell(t, st, seen)
			told.WriteString(got)
			if difference := firstDifference(got, want[st.title]); difference != "" && !s.Update {
				t.Errorf("%s; run with -update and review the difference", difference)
			}
		})
	}
	if s.Update {
		if err := os.WriteFile(path, []byte(told.String()), 0o644); err != nil { //nolint:gosec // a file of the repository's
			t.Fatal(err)
		}
		return
	}
	for title := range want {
		if !titles[title] {
			t.Errorf("%s has a story %q that is not told any more: run with -update", path, title)
		}
	}
}

// written is the stories in a file, by title.
func written(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // a file of the test's own
	if err != nil {
		t.Fatalf("%v: run with -update to make it", err)
	}
	all := map[string]string{}
	for _, st := range stories(string(text)) {
		all[st.title] = st.text()
	}
	return all
}
