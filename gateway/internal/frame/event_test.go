package frame_test

import (
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

func TestWhatOnlyTheServerSaysIsToldToOneConnection(t *testing.T) {
	for want, e := range map[string]frame.Event{
		`{"event":"room:left","data":{"room":"task:1","reason":"it is \"over\""}}`:           frame.Left("task:1", `it is "over"`),
		`{"event":"room:joined","data":{"room":"task:1","offset":7,"epoch":"e"}}`:            frame.Joined("task:1", frame.Position{Epoch: "e", Offset: 7}),
		`{"event":"server:shutdown","data":{"message":"come back","reconnectAfterMs":1500}}`: frame.Shutdown("come back", 1500*time.Millisecond),
	} {
		if got := string(frame.AppendJSON(nil, e)); got != want {
			t.Errorf("spelt %s, want %s", got, want)
		}
	}
}
