package native_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/door/doortest"
	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

// FuzzHear: whatever bytes come, one ask is understood, it can be answered,
// and what was understood can be written in the protocol and means the same.
func FuzzHear(f *testing.F) {
	for _, p := range doortest.Written(f, "testdata") {
		f.Add(p.Binary, p.Data)
	}
	f.Fuzz(func(t *testing.T, binary bool, data []byte) {
		talk := open(t)
		asks := doortest.Hear(t, talk, door.Packet{Binary: binary, Data: data})
		if len(asks) != 1 {
			t.Fatalf("Hear(%q) understood %v, want one ask", data, asks)
		}
		if !utf8.Valid(data) {
			return // such a text message never comes this far
		}
		again := write(asks[0])
		if again == "" {
			return
		}
		if got := doortest.Hear(t, talk, door.Packet{Data: []byte(again)}); !reflect.DeepEqual(got, asks) {
			t.Fatalf("Hear(%q) = %+v, and Hear(%q), which says it anew, = %+v", data, asks, again, got)
		}
		if p, ok := asks[0].(frame.Publish); ok {
			spelt(t, talk, p)
		}
	})
}

// spelt holds an event that a client publishes to being heard as it was.
func spelt(t *testing.T, talk door.Talk, p frame.Publish) {
	t.Helper()
	packets := talk.Profile().Spell(frame.Event{Name: p.Event, Room: p.Room, Data: p.Data, Binary: p.Binary, From: "ann"})
	if len(packets) != 1 {
		t.Fatalf("Spell(%+v) = %v, want one packet", p, packets)
	}
	var heard struct {
		Event string          `json:"event"`
		Room  string          `json:"room"`
		Data  json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(packets[0].Data, &heard); err != nil {
		t.Fatalf("Spell(%+v) = %q: %v", p, packets[0].Data, err)
	}
	data := []byte(heard.Data)
	if p.Binary {
		var bin struct{ Base64 []byte }
		if err := json.Unmarshal(data, &bin); err != nil {
			t.Fatalf("Spell(%+v) = %q: %v", p, packets[0].Data, err)
		}
		data = bin.Base64
	}
	if heard.Event != p.Event || heard.Room != p.Room || !bytes.Equal(data, p.Data) {
		t.Fatalf("Spell(%+v) = %q, which is another event", p, packets[0].Data)
	}
}

// write says an ask as a client would, or "" for what no client says on
// purpose.
func write(in frame.In) string {
	event, data := "", ""
	switch a := in.(type) {
	case frame.Auth:
		event, data = "auth", fmt.Sprintf(`{"token":%s%s}`, quote(a.Token), since(a.Since))
	case frame.Refresh:
		event, data = "auth:refresh", fmt.Sprintf(`{"token":%s}`, quote(a.Token))
	case frame.Subscribe:
		rooms := make([]string, len(a.Rooms))
		for i, r := range a.Rooms {
			rooms[i] = fmt.Sprintf(`{"room":%s,"last":%d%s}`, quote(r.Room), r.Last, since(r.Since))
		}
		event, data = "subscribe", fmt.Sprintf(`{"rooms":[%s],"presence":%t}`, strings.Join(rooms, ","), a.Presence)
	case frame.Unsubscribe:
		rooms := make([]string, len(a.Rooms))
		for i, r := range a.Rooms {
			rooms[i] = quote(r)
		}
		event, data = "unsubscribe", fmt.Sprintf(`{"rooms":[%s]}`, strings.Join(rooms, ","))
	case frame.Publish:
		carried := `"data":` + string(a.Data)
		if a.Binary {
			carried = `"base64":` + quote(base64.StdEncoding.EncodeToString(a.Data))
		}
		event, data = "publish", fmt.Sprintf(`{"room":%s,"event":%s,%s,"durable":%t,"key":%s,"echo":%t}`,
			quote(a.Room), quote(a.Event), carried, a.Durable, quote(a.Key), a.Echo)
	case frame.History:
		event, data = "history:get", fmt.Sprintf(`{"room":%s,"before":%d,"limit":%d}`, quote(a.Room), a.Before, a.Limit)
	case frame.Heartbeat:
		event, data = "heartbeat", "null"
	case frame.Status, frame.Typing, frame.Roster:
		event, data = writePresence(a)
	case frame.Call:
		event, data = a.Event, string(a.Data)
	case frame.Wrong, frame.Malformed, frame.Broken:
		return ""
	}
	id := ""
	if ref := frame.RefOf(in); ref.Wanted {
		id = fmt.Sprintf(`"id":%d,`, ref.N)
	}
	return fmt.Sprintf(`{%s"event":%s,"data":%s}`, id, quote(event), data)
}

// writePresence is what write says of who is here.
func writePresence(in frame.In) (event, data string) {
	switch a := in.(type) {
	case frame.Status:
		if a.Data == nil {
			a.Data = json.RawMessage("null")
		}
		return "status:change", fmt.Sprintf(`{"status":%s,"text":%s,"data":%s}`, quote(a.Status), quote(a.Text), a.Data)
	case frame.Typing:
		name := "typing:start"
		if a.Stopped {
			name = "typing:stop"
		}
		return name, fmt.Sprintf(`{"room":%s}`, quote(a.Room))
	case frame.Roster:
		if a.Room != "" {
			return "presence:get", fmt.Sprintf(`{"room":%s,"after":%s}`, quote(a.Room), quote(a.After))
		}
		users := make([]string, len(a.Users))
		for i, u := range a.Users {
			users[i] = quote(u)
		}
		return "presence:get", fmt.Sprintf(`{"users":[%s],"after":%s}`, strings.Join(users, ","), quote(a.After))
	case frame.Auth, frame.Refresh, frame.Subscribe, frame.Unsubscribe, frame.Publish, frame.History, frame.Heartbeat,
		frame.Call, frame.Wrong, frame.Malformed, frame.Broken:
	}
	return "", ""
}

func since(p *frame.Position) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf(`,"since":{"epoch":%s,"offset":%d}`, quote(p.Epoch), p.Offset)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a text always marshals
	}
	return string(b)
}

// FuzzMeet: whatever a handshake brings, it is refused with a text or it is
// agreed to a subprotocol that was offered, and a position can be said anew.
func FuzzMeet(f *testing.F) {
	f.Add("token=q&since=e:12", "Bearer h", "hubmesh.v1, bearer.s", "hubmesh_token=c")
	f.Add("since=e:18446744073709551616", "bearer  h ", "bearer.", `hubmesh_token="c"`)
	f.Add("since=:1&since=e:1", "Basic h", "bearer.a,bearer.b", "hubmesh_token=; hubmesh_token=c")
	f.Add("%zz;", "Bearer", " , ,", "=;=")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, query, authorization, subprotocols, cookies string) {
		q, _ := url.ParseQuery(query) // as net/http does: what can be read is taken
		h := door.Handshake{Query: q, Header: http.Header{}}
		h.Header.Set("Authorization", authorization)
		h.Header.Set("Sec-WebSocket-Protocol", subprotocols)
		h.Header.Set("Cookie", cookies)
		hello, text, ok := native.Door{}.Meet(h)
		if !ok {
			if text == "" || hello.Talk != nil {
				t.Fatalf("Meet(%q) refused with %q and the talk %v, want a text and none", h, text, hello.Talk)
			}
			return
		}
		if hello.Talk == nil {
			t.Fatalf("Meet(%q) took it and gave no talk", h)
		}
		if hello.Subprotocol != "" && !offered(subprotocols, hello.Subprotocol) {
			t.Fatalf("Meet(%q) agreed to %q, which was not offered", h, hello.Subprotocol)
		}
		if p := hello.Since; p != nil {
			if again, err := frame.ParsePosition(fmt.Sprintf("%s:%d", p.Epoch, p.Offset)); err != nil || again != *p {
				t.Fatalf("Meet(%q) gave the position %+v, which reads as %+v, %v", h, *p, again, err)
			}
		}
	})
}

func offered(subprotocols, agreed string) bool {
	for _, p := range strings.Split(subprotocols, ",") {
		if strings.TrimSpace(p) == agreed {
			return true
		}
	}
	return false
}
