package doortest

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// kind is the name of a frame's type.
func kind(v any) string { return reflect.TypeOf(v).Name() }

// ins is one of each kind of ask.
func ins() []frame.In {
	return []frame.In{
		frame.Auth{}, frame.Subscribe{}, frame.Unsubscribe{}, frame.Publish{}, frame.Call{}, frame.Refresh{},
		frame.History{}, frame.Status{}, frame.Typing{}, frame.Roster{}, frame.Heartbeat{}, frame.Wrong{}, frame.Malformed{}, frame.Broken{},
	}
}

// words is a line that is being written.
type words []string

// text adds a name and a text, if there is one.
func (w *words) text(name, value string) {
	if value != "" {
		*w = append(*w, fmt.Sprintf("%s=%q", name, value))
	}
}

// number adds a name and a number that is not 0.
func (w *words) number(name string, n uint64) {
	if n != 0 {
		*w = append(*w, fmt.Sprintf("%s=%d", name, n))
	}
}

// flag adds a name, if on.
func (w *words) flag(name string, on bool) {
	if on {
		*w = append(*w, name)
	}
}

func (w *words) since(p *frame.Position) {
	if p != nil {
		*w = append(*w, fmt.Sprintf("since=%s:%d", p.Epoch, p.Offset))
	}
}

// data adds what an event or a call carries. It stands last, as it is.
func (w *words) data(name string, data []byte, binary bool) {
	*w = append(*w, name+showPacket(door.Packet{Binary: binary, Data: data}))
}

// showIn writes what a client asks as one line.
func showIn(in frame.In) string {
	w := words{kind(in)}
	if ref := frame.RefOf(in); ref.Wanted {
		w = append(w, "#"+strconv.FormatInt(ref.N, 10))
	}
	switch a := in.(type) {
	case frame.Auth:
		w.text("token", a.Token)
		w.since(a.Since)
	case frame.Subscribe:
		for _, r := range a.Rooms {
			w = append(w, fmt.Sprintf("room=%q", r.Room))
			w.since(r.Since)
			w.number("last", uint64(r.Last)) //nolint:gosec // a door gives none below 0
		}
		w.flag("presence", a.Presence)
	case frame.Unsubscribe:
		for _, r := range a.Rooms {
			w = append(w, fmt.Sprintf("room=%q", r))
		}
	case frame.Publish:
		w = append(w, fmt.Sprintf("room=%q event=%q", a.Room, a.Event))
		w.flag("durable", a.Durable)
		w.text("key", a.Key)
		w.flag("echo", a.Echo)
		w.data("data", a.Data, a.Binary)
	case frame.Call:
		w = append(w, fmt.Sprintf("event=%q", a.Event))
		w.data("data", a.Data, false)
	case frame.Refresh:
		w.text("token", a.Token)
	case frame.History:
		w = append(w, fmt.Sprintf("room=%q", a.Room))
		w.number("before", a.Before)
		w.number("limit", uint64(a.Limit)) //nolint:gosec // a door gives none below 0
	case frame.Status:
		w.text("status", a.Status)
		w.text("text", a.Text)
		if a.Data != nil {
			w.data("data", a.Data, false)
		}
	case frame.Typing:
		w = append(w, fmt.Sprintf("room=%q", a.Room))
		w.flag("stopped", a.Stopped)
	case frame.Roster:
		w.text("room", a.Room)
		w.text("after", a.After)
		for _, u := range a.Users {
			w = append(w, fmt.Sprintf("user=%q", u))
		}
	case frame.Heartbeat:
	case frame.Wrong:
		w = append(w, a.Text)
	case frame.Malformed:
		w = append(w, a.Text)
	case frame.Broken:
		w = append(w, a.End.String())
	}
	return strings.Join(w, " ")
}

// showHello writes what a handshake means as one line.
func showHello(h door.Hello) string {
	w := words{kind(h)}
	w.text("token", h.Proof.Token)
	w.text("auth", string(h.Proof.Auth))
	w.since(h.Since)
	w.text("subprotocol", h.Subprotocol)
	return strings.Join(w, " ")
}

// showPacket writes a packet as a form (x, q or none), a space, and its bytes.
func showPacket(p door.Packet) string {
	switch {
	case p.Binary && len(p.Data) == 0:
		return "x"
	case p.Binary:
		return "x " + hex.EncodeToString(p.Data)
	case len(p.Data) == 0, !utf8.Valid(p.Data), strings.ContainsFunc(string(p.Data), func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }):
		return "q " + strconv.Quote(string(p.Data))
	}
	return " " + string(p.Data)
}
