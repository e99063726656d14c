package doortest

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

var update = flag.Bool("update", false, "write what the toy door answers into testdata, do not compare")

// The toy is a protocol with all that the native door has not: a word of its
// own at the beginning, answers at once, several asks in a packet, binary
// packets that belong to a text, a pulse, last words, a close without a code.
func TestASuiteCarriesProtocolsThatAreNotLikeOurs(t *testing.T) {
	Suite{
		Door: toy{}, Query: "v=4", Update: *update,
		Never: []frame.In{frame.Auth{}, frame.Unsubscribe{}, frame.Call{}, frame.Refresh{}, frame.History{}, frame.Status{}, frame.Typing{}, frame.Roster{}, frame.Heartbeat{}, frame.Wrong{}},
	}.Run(t)
}

func TestEveryKindOfFrameIsKnownHere(t *testing.T) {
	known := map[string]bool{}
	for _, in := range ins() {
		known[kind(in)] = true
	}
	for _, name := range kinds(t, "in.go", "in") {
		if !known[name] {
			t.Errorf("ins() has no %s", name)
		}
	}
	said := map[string]bool{}
	for line := range strings.Lines(everyOut) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "say ")
		if !ok {
			continue
		}
		o, err := parseOut(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		said[kind(o)] = true
		if a, ok := o.(frame.Ack); ok {
			said[kind(a.Body)] = true
		}
	}
	for _, name := range append(kinds(t, "out.go", "out"), kinds(t, "out.go", "body")...) {
		if !said[name] {
			t.Errorf("everyOut says no %s", name)
		}
	}
}

// kinds are the types in a file of package frame that have a method, which
// marks them as one kind of something.
func kinds(t *testing.T, file, mark string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "frame", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != mark {
			continue
		}
		if id, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
			names = append(names, id.Name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no method %s", file, mark)
	}
	return names
}

func TestAFileIsItsStories(t *testing.T) {
	source := "# what it is about\n\n== one\n> a\n= b\n\n== two\nend flood\n"
	var titles, texts []string
	for _, st := range stories(source) {
		titles = append(titles, st.title)
		texts = append(texts, st.text())
	}
	if got := strings.Join(titles, "|"); got != "|one|two" {
		t.Errorf("titles are %q, want none, one and two", got)
	}
	if got := strings.Join(texts, ""); got != source {
		t.Errorf("the stories are %q, want %q", got, source)
	}
}

func TestAPacketIsReadAsItIsShown(t *testing.T) {
	for _, p := range []string{"", "text", " two  spaces ", "a\nb", "\xff", "\u2028", "é🚀"} {
		for _, binary := range []bool{false, true} {
			want := showPacket(packetOf(p, binary))
			form, rest, _ := strings.Cut(want, " ")
			got, err := packet(form, rest)
			if err != nil || got.Binary != binary || string(got.Data) != p {
				t.Errorf("packet(%q, %q) = %+v, %v, want %q", form, rest, got, err, p)
			}
		}
	}
}

func TestADifferenceIsToldWithItsLine(t *testing.T) {
	if got := firstDifference("a\nb\n", "a\nb\n"); got != "" {
		t.Errorf("firstDifference of the same = %q", got)
	}
	for _, c := range []struct{ got, want, told string }{
		{"a\nb", "a\nc", "line 2:\n got b\nwant c"},
		{"a", "a\nb", "line 2:\n got (nothing)\nwant b"},
		{"a\nb", "a", "line 2:\n got b\nwant (nothing)"},
	} {
		if got := firstDifference(c.got, c.want); got != c.told {
			t.Errorf("firstDifference(%q, %q) = %q, want %q", c.got, c.want, got, c.told)
		}
	}
}

func TestWhatStoriesMisspellIsAnError(t *testing.T) {
	for _, text := range []string{
		"", "hello", "ack", "ack x done {}", "ack 1", "ack 1 gone {}", "ack 1 stored", `ack 1 stored {"offset":1,"room":"task:42"}`,
		`event {"name":"e"}`, "refused 1", `connected {"conn":"g1-7"}`,
	} {
		if o, err := parseOut(text); err == nil {
			t.Errorf("parseOut(%q) = %+v, want an error", text, o)
		}
	}
	if e, err := parseEnd("boredom"); err == nil {
		t.Errorf(`parseEnd("boredom") = %v, want an error`, e)
	}
}
