package screen_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/internal/screen"
)

func TestEvent(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 4, 5, 0, time.UTC)
	tests := map[string]struct {
		event hub.Event
		want  string
	}{
		"a durable event": {
			hub.Event{Event: "task:update", Room: "task:42", Data: json.RawMessage("{\n \"title\": \"Ship it\"}"), Offset: 12, From: "bob", Time: now.Add(-time.Hour).UnixMilli()},
			`11:04:05  task:42  task:update  {"title":"Ship it"}  from bob, offset 12`,
		},
		"a signal":                 {hub.Event{Event: "cursor", Room: "task:42", Data: json.RawMessage(`1`)}, `12:04:05  task:42  cursor  1`},
		"an event in no room":      {hub.Event{Event: "server:shutdown", Data: json.RawMessage(`{}`)}, `12:04:05  server:shutdown  {}`},
		"what a terminal may obey": {hub.Event{Event: "e", Room: "task:1", Data: json.RawMessage("\"\u009b2J\x7f\"")}, `12:04:05  task:1  e  "\u009b2J\u007f"`},
		"data that is no JSON":     {hub.Event{Event: "e", Data: json.RawMessage("\x1b[2J")}, `12:04:05  e  \u001b[2J`},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if got := screen.Event(c.event, now, screen.Style{}); got != c.want {
				t.Errorf("Event = %s\nwant    %s", got, c.want)
			}
			if got := screen.Event(c.event, now, screen.Style{Colour: true}); !strings.Contains(got, "\x1b[1m"+c.event.Event) {
				t.Errorf("in colour: %q, want the name in bold", got)
			}
		})
	}
}

func TestABannerWithoutTokensSaysWhy(t *testing.T) {
	got := screen.Banner{NoToken: "Bring a token."}.Text(screen.Style{})
	if !strings.Contains(got, "  Bring a token.\n") || strings.Contains(got, "Tokens for") {
		t.Errorf("banner:\n%s", got)
	}
}

func ExampleBanner_Text() {
	fmt.Print(screen.Banner{
		Page: "http://127.0.0.1:8080/", Clients: []string{"ws://127.0.0.1:8080/ws"},
		NATS: "nats://127.0.0.1:4222", Store: ".hubmesh",
		Users: []screen.User{{Name: "ann", Token: "aaa.bbb.ccc"}}, Valid: "7 days", Rooms: "task:*",
		Sub: "hubmesh sub task:42", Pub: "hubmesh pub task:42 hello 1",
	}.Text(screen.Style{}))
	// Output:
	//   hubmesh is running  Ctrl-C ends it
	//
	//   page     http://127.0.0.1:8080/
	//   clients  ws://127.0.0.1:8080/ws
	//   NATS     nats://127.0.0.1:4222  embedded, keeps its data in .hubmesh
	//
	//   Tokens for task:*, valid for 7 days:
	//     ann  aaa.bbb.ccc
	//
	//   Hear a room, in a second terminal:
	//     hubmesh sub task:42
	//   and say something there, in a third:
	//     hubmesh pub task:42 hello 1
}
