package native_test

import (
	"flag"
	"net/http"
	"net/url"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/door/doortest"
	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

var update = flag.Bool("update", false, "write what the door answers into testdata, do not compare")

func TestTheDoorKeepsItsStories(t *testing.T) {
	doortest.Suite{Door: native.Door{}, Update: *update}.Run(t)
}

func TestEveryEndHasTheCloseCodeThatClientsAreTold(t *testing.T) {
	want := map[frame.End]int{
		frame.GoingAway: 1001, frame.Protocol: 1002, frame.NoBinary: 1003, frame.NotUTF8: 1007, frame.TooLarge: 1009,
		frame.Restart: 1012, frame.Abuse: 4400, frame.Unauthorized: 4401, frame.Revoked: 4403, frame.NoHeartbeat: 4408,
		frame.TooSlow: 4409, frame.Flood: 4429,
	}
	talk := open(t)
	for _, e := range frame.Ends() {
		if last, code, _ := talk.Bye(e); code != want[e] || last != nil {
			t.Errorf("Bye(%v) = %v, %d, want no packet and %d", e, last, code, want[e])
		}
	}
}

// open is the talk of a connection that brought nothing.
func open(tb testing.TB) door.Talk {
	tb.Helper()
	hello, text, ok := native.Door{}.Meet(door.Handshake{Query: url.Values{}, Header: http.Header{}})
	if !ok {
		tb.Fatalf("Meet refused an empty handshake: %s", text)
	}
	return hello.Talk
}
