// Package screen is what a person sees in the terminal: a line an event, and
// the greeting of a mesh that has started.
//
// It writes nothing and asks nothing: it takes values and returns text. Read
// this file first, then banner.go.
package screen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// Style is how text is told apart. The zero Style is plain, for files and
// pipes.
type Style struct{ Colour bool }

// Codes of ECMA-48, section 8.3.117, as every terminal knows them.
const (
	bold = "1"
	dim  = "2"
	cyan = "36"
)

func (s Style) paint(code, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Event is a line for an event, without its end:
//
//	12:04:05  task:42  task:update  {"title":"Ship it"}  from bob, offset 12
//
// The time is the server's in the zone of now, or now where it told none.
func Event(e hub.Event, now time.Time, s Style) string {
	at := now
	if e.Time > 0 {
		at = time.UnixMilli(e.Time).In(now.Location())
	}
	parts := []string{s.paint(dim, at.Format(time.TimeOnly))}
	if e.Room != "" {
		parts = append(parts, s.paint(cyan, harmless(e.Room)))
	}
	parts = append(parts, s.paint(bold, harmless(e.Event)), JSON(e.Data))
	if o := origin(e); o != "" {
		parts = append(parts, s.paint(dim, o))
	}
	return strings.Join(parts, "  ")
}

func origin(e hub.Event) string {
	var parts []string
	if e.From != "" {
		parts = append(parts, "from "+harmless(e.From))
	}
	if e.Offset > 0 {
		parts = append(parts, fmt.Sprintf("offset %d", e.Offset))
	}
	return strings.Join(parts, ", ")
}

// JSON is data in one line that a terminal does not obey.
func JSON(data json.RawMessage) string {
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return harmless(string(data))
	}
	return harmless(line.String())
}

// harmless spells control characters as JSON does. JSON lets U+007F to U+009F
// stand as they are, and a terminal may take U+009B for the begin of a command.
func harmless(text string) string {
	control := func(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }
	if !strings.ContainsFunc(text, control) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if control(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
