package screen

import (
	"fmt"
	"strings"
)

// Banner is what a mesh that has started says of itself.
type Banner struct {
	Page    string   // the demo page, or empty
	Clients []string // addresses of the native door, one a gateway
	NATS    string   // address for backends
	Store   string   // where it keeps its streams, or empty: not ours
	Without []string // services that were left to others

	Users []User // tokens to try it with; none: NoToken says why
	Valid string // how long they are: "7 days"
	Rooms string // what they open

	NoToken string

	Sub, Pub string // commands to paste
}

// User is someone to try it as.
type User struct{ Name, Token string }

// Text is the banner in lines.
func (b Banner) Text(s Style) string {
	var out strings.Builder
	line := func(format string, v ...any) { fmt.Fprintf(&out, format+"\n", v...) }
	field := func(name, value, note string) {
		if value == "" {
			return
		}
		if note != "" {
			note = s.paint(dim, "  "+note)
		}
		line("  %s%s%s", s.paint(dim, fmt.Sprintf("%-9s", name)), s.paint(cyan, value), note)
	}
	line("")
	line("  %s  %s", s.paint(bold, "hubmesh is running"), s.paint(dim, "Ctrl-C ends it"))
	line("")
	field("page", b.Page, "")
	for _, url := range b.Clients {
		field("clients", url, "")
	}
	note := ""
	if b.Store != "" {
		note = "embedded, keeps its data in " + b.Store
	}
	field("NATS", b.NATS, note)
	field("without", strings.Join(b.Without, ", "), "somebody else answers for them")
	line("")
	b.tokens(s, line)
	line("  Hear a room, in a second terminal:")
	line("    %s", s.paint(bold, b.Sub))
	line("  and say something there, in a third:")
	line("    %s", s.paint(bold, b.Pub))
	return out.String()
}

func (b Banner) tokens(s Style, line func(string, ...any)) {
	if len(b.Users) == 0 {
		line("  %s", b.NoToken)
		line("")
		return
	}
	line("  Tokens for %s, valid for %s:", b.Rooms, b.Valid)
	for _, u := range b.Users {
		line("    %s  %s", s.paint(bold, u.Name), u.Token)
	}
	line("")
}
