package doortest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// story is a title and the lines under it.
type story struct {
	title string
	lines []string
}

const titleMark = "== "

// stories cuts a file into its stories. What stands above the first is one
// without a title.
func stories(source string) (all []story) {
	for _, line := range strings.Split(strings.TrimSuffix(source, "\n"), "\n") {
		if title, ok := strings.CutPrefix(line, titleMark); ok || len(all) == 0 {
			all = append(all, story{title: title})
			if ok {
				continue
			}
			all[0].title = ""
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
	}
	return all
}

// text is the story as it stands in its file.
func (st story) text() string {
	text := strings.Join(st.lines, "\n") + "\n"
	if st.title != "" {
		text = titleMark + st.title + "\n" + text
	}
	return text
}

// teller tells one story. What it writes is the story again, with what came.
type teller struct {
	t      *testing.T
	suite  Suite
	header http.Header
	talk   door.Talk // nil before the handshake
	seen   map[string]bool
	told   strings.Builder
	given  []given
}

// given is a packet of the door's, which it must not change any more.
type given struct {
	packet door.Packet
	was    []byte
}

// tell tells a story and returns it with what came.
func (s Suite) tell(t *testing.T, st story, seen map[string]bool) string {
	t.Helper()
	te := &teller{t: t, suite: s, header: http.Header{}, seen: seen}
	if st.title != "" {
		te.told.WriteString(titleMark + st.title + "\n")
	}
	for _, line := range st.lines {
		if came(line) {
			continue
		}
		te.told.WriteString(line + "\n")
		if err := te.do(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	for _, g := range te.given {
		if !bytes.Equal(g.packet.Data, g.was) {
			t.Errorf("a packet was changed after it was given: %q became %q", g.was, g.packet.Data)
		}
	}
	return te.told.String()
}

// came reports whether a line tells what came, and not what is to be done.
func came(line string) bool { return strings.HasPrefix(line, "=") || strings.HasPrefix(line, "<") }

func (te *teller) do(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#":
		return nil
	case "with":
		name, value, _ := strings.Cut(rest, ": ")
		te.header.Add(name, value)
		return nil
	case "meet":
		return te.meet(rest)
	case "refuse":
		code, message, _ := strings.Cut(rest, " ")
		status, contentType, body := te.suite.Door.Refuse(wire.Code(code), message)
		te.came("<http %d %s %s", status, contentType, strings.TrimSuffix(string(body), "\n"))
		return nil
	}
	if te.talk == nil {
		hello, err := te.suite.hello(te.header)
		if err != nil {
			return err
		}
		te.talk = hello.Talk
	}
	return te.converse(verb, rest)
}

// converse does what takes a connection.
func (te *teller) converse(verb, rest string) error {
	switch verb {
	case ">", ">q", ">x":
		p, err := packet(verb[1:], rest)
		if err != nil {
			return err
		}
		te.hear(p)
	case "say":
		o, err := parseOut(rest)
		if err != nil {
			return err
		}
		te.packets(te.talk.Say(o))
	case "tell":
		o, err := parseOut(rest)
		if err != nil {
			return err
		}
		e, ok := o.(frame.Event)
		if !ok {
			return fmt.Errorf("doortest: only an event is told to many")
		}
		te.packets(te.talk.Profile().Spell(e))
	case "tick":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		te.packets(te.talk.Pulse(time.Unix(0, 0).Add(d)))
	case "end":
		e, err := parseEnd(rest)
		if err != nil {
			return err
		}
		last, code, reason := te.talk.Bye(e)
		te.packets(last)
		te.came("<close %d %s", code, reason)
	default:
		return fmt.Errorf("doortest: no line begins with %q", verb)
	}
	return nil
}

func (te *teller) meet(query string) error {
	q, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	hello, text, ok := te.suite.Door.Meet(door.Handshake{Query: q, Header: te.header})
	te.header = http.Header{}
	if !ok {
		te.came("= no: %s", text)
		return nil
	}
	te.talk = hello.Talk
	te.came("= %s", showHello(hello))
	te.packets(hello.Talk.Open())
	return nil
}

// hello is the plainest handshake that the door takes.
func (s Suite) hello(header http.Header) (door.Hello, error) {
	q, err := url.ParseQuery(s.Query)
	if err != nil {
		return door.Hello{}, err
	}
	hello, text, ok := s.Door.Meet(door.Handshake{Query: q, Header: header})
	if !ok {
		return door.Hello{}, fmt.Errorf("doortest: meet %q: %s", s.Query, text)
	}
	return hello, nil
}

func (te *teller) hear(p door.Packet) {
	asks, now := te.talk.Hear(p)
	for _, ask := range asks {
		te.seen[kind(ask)] = true
		te.came("= %s", showIn(ask))
	}
	te.packets(now)
}

// packets tells what the client hears.
func (te *teller) packets(packets []door.Packet) {
	te.t.Helper()
	for _, p := range packets {
		te.given = append(te.given, given{packet: p, was: bytes.Clone(p.Data)})
		if !p.Binary && !utf8.Valid(p.Data) {
			te.t.Errorf("a text packet is no UTF-8: %q", p.Data)
		}
		te.came("<%s", showPacket(p))
	}
}

func (te *teller) came(format string, args ...any) {
	te.told.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// packet reads what showPacket writes.
func packet(form, rest string) (p door.Packet, err error) {
	switch form {
	case "x":
		p.Binary = true
		p.Data, err = hex.DecodeString(rest)
	case "q":
		var text string
		text, err = strconv.Unquote(rest)
		p.Data = []byte(text)
	default:
		p.Data = []byte(rest)
	}
	return p, err
}

// firstDifference tells where two texts part, or "".
func firstDifference(got, want string) string {
	gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gots), len(wants)) {
		g, w := at(gots, i), at(wants, i)
		if g != w {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g, w)
		}
	}
	return ""
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i]
}
