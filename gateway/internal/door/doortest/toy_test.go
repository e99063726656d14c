package doortest

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// toy is a protocol of lines; a text packet may hold several. A client asks
//
//	p               are you there? answered at once
//	s REF ROOM      enter
//	b ROOM EVENT N  an event of the N binary packets that follow
//
// and anything else is malformed.
type toy struct{}

func (toy) Name() string { return "toy" }

func (toy) Meet(h door.Handshake) (door.Hello, string, bool) {
	if h.Query.Get("v") != "4" {
		return door.Hello{}, "v is 4", false
	}
	return door.Hello{Proof: door.Proof{Auth: []byte(`{}`)}, Talk: &toyTalk{}}, "", true
}

func (toy) Refuse(code wire.Code, message string) (int, string, []byte) {
	return http.StatusForbidden, "text/plain", []byte(string(code) + " " + message)
}

type toyTalk struct {
	awaits  int // binary packets of publish
	publish frame.Publish
}

type toyProfile struct{}

func packetOf(s string, binary bool) door.Packet { return door.Packet{Binary: binary, Data: []byte(s)} }

func (toyProfile) Spell(e frame.Event) []door.Packet {
	if e.Binary {
		return []door.Packet{packetOf("e "+e.Name+" 1", false), packetOf(string(e.Data), true)}
	}
	return []door.Packet{packetOf("e "+e.Name, false)}
}

func (*toyTalk) Profile() door.Profile { return toyProfile{} }

func (*toyTalk) Open() []door.Packet { return []door.Packet{packetOf("hello", false)} }

func (t *toyTalk) Hear(p door.Packet) (asks []frame.In, now []door.Packet) {
	if p.Binary {
		if t.awaits == 0 {
			return []frame.In{frame.Broken{End: frame.NoBinary}}, nil
		}
		t.publish.Data = append(t.publish.Data, p.Data...)
		if t.awaits--; t.awaits == 0 {
			asks = append(asks, t.publish)
		}
		return asks, nil
	}
	for line := range strings.Lines(string(p.Data)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && words[0] == "p":
			now = append(now, packetOf("P", false))
		case len(words) == 3 && words[0] == "s":
			n, _ := strconv.ParseInt(words[1], 10, 64)
			asks = append(asks, frame.Subscribe{Ref: frame.Ref{N: n, Wanted: true}, Rooms: []frame.RoomAsk{{Room: words[2]}}})
		case len(words) == 4 && words[0] == "b":
			t.awaits, _ = strconv.Atoi(words[3])
			t.publish = frame.Publish{Room: words[1], Event: words[2], Binary: true}
		default:
			asks = append(asks, frame.Malformed{Text: "p, s or b"})
		}
	}
	return asks, now
}

func (t *toyTalk) Say(o frame.Out) []door.Packet {
	switch o := o.(type) {
	case frame.Event:
		return t.Profile().Spell(o)
	case frame.Connected:
		return []door.Packet{packetOf("you are "+o.User, false)}
	case frame.Ack:
		return []door.Packet{packetOf("ok "+strconv.FormatInt(o.Ref.N, 10), false)}
	case frame.Refused:
		return []door.Packet{packetOf("no "+strconv.FormatInt(o.Ref.N, 10)+" "+string(o.Code), false)}
	}
	return nil
}

func (*toyTalk) Pulse(now time.Time) []door.Packet {
	if now.Unix() < 25 {
		return nil
	}
	return []door.Packet{packetOf("p", false)}
}

func (*toyTalk) Bye(frame.End) ([]door.Packet, int, string) {
	return []door.Packet{packetOf("bye", false)}, noStatus, ""
}
