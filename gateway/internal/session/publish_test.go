package session_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// signal is a publish to task:1 that is not stored.
func signal(n int64, data string) frame.Publish {
	return frame.Publish{Ref: as(n), Room: "task:1", Event: "move", Data: []byte(data)}
}

// durable is a publish to task:1 that is stored.
func durable(n int64, data string) frame.Publish {
	p := signal(n, data)
	p.Durable = true
	return p
}

func TestEventsArePublished(t *testing.T) {
	echo, keyed, bin := signal(2, "1"), durable(2, "1"), signal(2, "\x00\x01")
	echo.Echo, keyed.Key, keyed.Echo, bin.Binary = true, "k1", true, true
	full := entered("subscribe,publish,signal")
	tellOfAnn(t, session.Config{}, map[string]story{
		"a signal":                             append(full, says(signal(2, "1"), "signal #2 move to task:1 from ann 1")),
		"a signal that its sender hears too":   append(full, says(echo, "signal #2 move to task:1 from ann 1 echo")),
		"bytes":                                append(full, says(bin, "signal #2 move to task:1 from ann bytes \x00\x01")),
		"an event that is acked when stored":   append(full, says(durable(2, "1"), "store move to task:1 from ann 1"), stored(12, `ack #2 {"offset":12}`)),
		"with a key, heard by its sender too":  append(full, says(keyed, "store move to task:1 from ann 1 key k1 echo"), stored(12, `ack #2 {"offset":12}`)),
		"an event that could not be stored":    append(full, says(durable(2, "1"), "store move to task:1 from ann 1"), notStored(silence(), "refuse #2 unavailable")),
		"an event that came too fast":          append(full, says(durable(2, "1"), "store move to task:1 from ann 1"), notStored(frame.Problem{Code: wire.RateLimited, Message: "slow", RetryAfterMs: 60}, "refuse #2 rate_limited retry after 60")),
		"an answer that nobody asked for":      append(full, stored(12), says(durable(2, "1"), "store move to task:1 from ann 1")),
		"the right to signal is not to store":  append(entered("subscribe,signal"), says(durable(2, "1"), "refuse #2 forbidden"), says(signal(3, "1"), "signal #3 move to task:1 from ann 1")),
		"the right to store is not to signal":  append(entered("subscribe,publish"), says(signal(2, "1"), "refuse #2 forbidden"), says(durable(3, "1"), "store move to task:1 from ann 1")),
		"it takes a right and not membership":  {says(durable(2, "1"), "ask join 1 task:1"), decided(1, "task:1=publish", "store move to task:1 from ann 1"), stored(12, `ack #2 {"offset":12}`)},
		"membership without the right":         append(entered("subscribe"), says(signal(2, "1"), "refuse #2 forbidden")),
		"neither":                              {says(signal(2, "1"), "ask join 1 task:1"), decided(1, "task:1=", "refuse #2 forbidden")},
		"a room that authz does not answer of": {says(signal(2, "1"), "ask join 1 task:1"), decided(1, "task:2=signal", "refuse #2 forbidden")},
		"authz's own code":                     {says(signal(2, "1"), "ask join 1 task:1"), answered(1, map[string]wire.RoomRights{"task:1": {Code: "archived"}}, "refuse #2 archived")},
		"while authz is silent":                {says(signal(2, "1"), "ask join 1 task:1"), undecided(1, "refuse #2 unavailable")},
		"to one's own room authz is asked":     {says(frame.Publish{Ref: as(2), Room: "user:ann", Event: "e", Data: []byte("1")}, "ask join 1 user:ann"), decided(1, "user:ann=signal", "signal #2 e to user:ann from ann 1")},
		"to all: that is the backends'":        {says(frame.Publish{Ref: as(2), Room: "hub:all", Event: "e"}, "refuse #2 forbidden"), says(frame.Publish{Ref: as(3), Room: "hub:all", Event: "e", Durable: true}, "refuse #3 forbidden")},
		"to what is no room":                   {says(frame.Publish{Ref: as(2), Room: "task", Event: "e"}, "refuse #2 invalid")},
		"a key is 128 bytes at most":           append(full, says(withKey(128), "store move to task:1 from ann 1 key "+strings.Repeat("k", 128)), says(withKey(129), "refuse #9 invalid")),
		"a key without durable":                append(full, says(frame.Publish{Ref: as(2), Room: "task:1", Event: "e", Key: "k"}, "refuse #2 invalid")),
		"a room that was left takes authz's word again": append(full, says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"),
			says(signal(3, "1"), "ask join 2 task:1"), decided(2, "task:1=", "refuse #3 forbidden")),
		"without an id the error is told all the same": append(entered("subscribe"), says(frame.Publish{Room: "task:1", Event: "e"}, "refuse - forbidden")),
	})
}

func withKey(n int) frame.Publish {
	p := durable(9, "1")
	p.Key = strings.Repeat("k", n)
	return p
}

func TestPublishesKeepTheirOrder(t *testing.T) {
	full := entered("subscribe,publish,signal")
	other := frame.Publish{Ref: as(8), Room: "task:2", Event: "move", Data: []byte("8"), Durable: true}
	tellOfAnn(t, session.Config{}, map[string]story{
		"an event waits until the one before is stored": append(full,
			says(durable(2, "2"), "store move to task:1 from ann 2"), says(durable(3, "3")), says(durable(4, "4")),
			stored(12, `ack #2 {"offset":12}`, "store move to task:1 from ann 3"), notStored(silence(), "refuse #3 unavailable", "store move to task:1 from ann 4"),
			stored(13, `ack #4 {"offset":13}`)),
		"also for one that authz is asked about": append(full,
			says(other, "ask join 2 task:2"), says(durable(2, "2")),
			decided(2, "task:2=publish", "store move to task:2 from ann 8"), stored(12, `ack #8 {"offset":12}`, "store move to task:1 from ann 2"), stored(13, `ack #2 {"offset":13}`)),
		"one that is refused lets the next pass": append(full,
			says(other, "ask join 2 task:2"), says(durable(2, "2")), decided(2, "task:2=", "refuse #8 forbidden", "store move to task:1 from ann 2")),
		"signals wait for authz in their order": {
			says(signal(1, "1"), "ask join 1 task:1"), says(signal(2, "2")), says(signal(3, "3")),
			decided(1, "task:1=signal", "signal #1 move to task:1 from ann 1", "ask join 2 task:1"),
			decided(2, "task:1=signal", "signal #2 move to task:1 from ann 2", "ask join 3 task:1"),
			decided(3, "task:1=", "refuse #3 forbidden"),
		},
		"signals do not wait for events, nor events for signals": append(full,
			says(durable(2, "2"), "store move to task:1 from ann 2"), says(signal(3, "3"), "signal #3 move to task:1 from ann 3"), stored(12, `ack #2 {"offset":12}`)),
		"signals that waited pass when the room was entered meanwhile": {
			says(signal(1, "1"), "ask join 1 task:1"), says(subscribe(as(2), "task:1"), "ask join 2 task:1"), says(signal(3, "3")),
			decided(2, "task:1=subscribe,signal", "enter #2 task:1, told task:1"),
			decided(1, "task:1=signal", "signal #1 move to task:1 from ann 1", "signal #3 move to task:1 from ann 3"),
		},
		"no more than 64 of a kind wait": slices.Concat(full,
			story{says(durable(1, "0"), "store move to task:1 from ann 0")}, many(63, func(i int64) step { return says(durable(i, "0")) }),
			story{says(durable(99, "0"), "refuse #99 too_many"), says(signal(2, "2"), "signal #2 move to task:1 from ann 2")},
			story{stored(12, `ack #1 {"offset":12}`, "store move to task:1 from ann 0"), says(durable(100, "0")), says(durable(101, "0"), "refuse #101 too_many")},
		),
		"the end comes first": append(full,
			says(durable(2, "2"), "store move to task:1 from ann 2"), says(durable(3, "3")), ends(frame.Restart, "close: restart"), stored(12), says(durable(4, "4"))),
	})
}

func TestNamesThatAreNotTheClients(t *testing.T) {
	stories := map[string]story{}
	for _, name := range []string{
		"connected", "room:joined", "room:left", "server:shutdown", "error", "token:expiring", "presence:update", "user:typing", "user:stopped-typing",
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
		"", " e", "e ", "e\n", "a::b", ":a", "a:", strings.Repeat("e", 129), "\xff",
	} {
		p := signal(2, "1")
		p.Event = name
		stories[fmt.Sprintf("%q is refused", name)] = append(entered("subscribe,signal"), says(p, "refuse #2 invalid"))
	}
	for _, name := range []string{"task:update", "notification", "connecting", "Error", "e", "a b", "a:b:c", strings.Repeat("e", 128)} {
		p := signal(2, "1")
		p.Event = name
		stories[fmt.Sprintf("%q is published", name)] = append(entered("subscribe,signal"), says(p, "signal #2 "+name+" to task:1 from ann 1"))
	}
	tellOfAnn(t, session.Config{}, stories)
}
