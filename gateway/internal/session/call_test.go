package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func call(n int64) frame.Call {
	return frame.Call{Ref: as(n), Event: "task:create", Data: []byte(`{"n":1}`)}
}

func TestCallsAreAsked(t *testing.T) {
	asked := says(call(1), `call 1 task:create {"n":1}`)
	stories := map[string]story{
		"a backend's answer is the ack":     {asked, replied(1, `{"id" : "9"}`, `ack #1 {"id":"9"}`), replied(1, `{}`)},
		"an empty answer is an ack too":     {asked, replied(1, "", "ack #1 {}")},
		"an answer that is no JSON":         {asked, replied(1, "{", "refuse #1 internal")},
		"an answer that is broken UTF-8":    {asked, replied(1, "\"\xff\"", "refuse #1 internal")},
		"a backend's error":                 {asked, notReplied(frame.Problem{Code: "no_such_task", Message: "there is no task 1"}, "refuse #1 no_such_task")},
		"no backend":                        {asked, notReplied(frame.Problem{Code: wire.NoHandler, Message: "nobody"}, "refuse #1 no_handler")},
		"a backend that is silent":          {asked, notReplied(frame.Problem{Code: wire.Timeout, Message: "silence"}, "refuse #1 timeout")},
		"without an id it is asked as well": {says(frame.Call{Event: "e", Data: []byte("1")}, "call 1 e 1"), notReplied(silence(), "refuse - unavailable")},
		"answers come in any order":         {asked, says(call(2), `call 2 task:create {"n":1}`), replied(2, "2", "ack #2 2"), replied(1, "1", "ack #1 1")},
		"the end comes first":               {asked, ends(frame.GoingAway, "close: going away"), replied(1, "1"), ends(frame.Flood)},
		"thirty-two are under way at most": slices.Concat(
			many(32, func(i int64) step { return says(call(i), fmt.Sprintf(`call %d task:create {"n":1}`, i)) }),
			story{says(call(33), "refuse #33 too_many"), replied(7, "7", "ack #7 7"), says(call(34), `call 33 task:create {"n":1}`), says(call(35), "refuse #35 too_many")},
		),
	}
	for _, name := range []string{"", ":", "a::b", " e", strings.Repeat("e", 129)} {
		stories["no event is called "+name] = story{says(frame.Call{Ref: as(1), Event: name, Data: []byte("1")}, "refuse #1 invalid")}
	}
	tellOfAnn(t, session.Config{}, stories)
}

func TestHeartbeatsAndFaults(t *testing.T) {
	bad := frame.Malformed{Ref: as(1), Text: "no JSON"}
	nine := many(9, func(int64) step { return says(bad, "refuse #1 invalid") })
	last := says(bad, "refuse #1 invalid", "close: too many malformed frames")
	tellOfAnn(t, session.Config{}, map[string]story{
		"a heartbeat": {says(frame.Heartbeat{Ref: as(1)}, "beat #1"), says(frame.Heartbeat{}, "beat -")},
		"an ask for something impossible is refused, however often": slices.Concat(
			many(30, func(int64) step { return says(frame.Wrong{Ref: as(1), Text: "data is a room"}, "refuse #1 invalid") }),
			story{says(frame.Heartbeat{Ref: as(2)}, "beat #2")}),
		"a frame that cannot be read is told, with its id or without": {
			says(bad, "refuse #1 invalid"), says(frame.Malformed{Text: "no JSON"}, "refuse - invalid"),
		},
		"the tenth within a minute is the end, and nothing is heard after it": slices.Concat(nine, story{last, says(bad), says(call(2)), passes(time.Hour)}),
		"ten in more than a minute are borne": slices.Concat(
			nine, story{later(time.Minute, says(bad, "refuse #1 invalid")), says(frame.Heartbeat{Ref: as(2)}, "beat #2")}),
		"ten within any minute are the end, whenever it begins": slices.Concat(
			story{says(bad, "refuse #1 invalid"), later(59*time.Second, says(bad, "refuse #1 invalid"))}, nine[2:],
			story{later(2*time.Second, says(bad, "refuse #1 invalid")), last}),
		"a breach of the protocol is the end": {
			says(frame.Broken{End: frame.NoBinary}, "close: binary is not understood here"), says(frame.Heartbeat{Ref: as(1)}),
		},
		"an end from outside is told once": {
			ends(frame.TooSlow, "close: too slow"), ends(frame.Restart), passes(time.Hour),
		},
	})
}
