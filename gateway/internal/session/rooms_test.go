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

// subscribe asks for rooms: "task:1 task:2(since e:12) task:3(last 20)" is
// written as names, and with since and last added by the caller.
func subscribe(ref frame.Ref, rooms ...string) frame.Subscribe {
	a := frame.Subscribe{Ref: ref}
	for _, r := range rooms {
		a.Rooms = append(a.Rooms, frame.RoomAsk{Room: r})
	}
	return a
}

func unsubscribe(n int64, rooms ...string) frame.Unsubscribe {
	return frame.Unsubscribe{Ref: as(n), Rooms: rooms}
}

// entered is ann in task:1, with the tags 1 spent.
func entered(can string) story {
	return story{
		says(subscribe(as(1), "task:1"), "ask join 1 task:1"),
		decided(1, "task:1="+can, "enter #1 task:1, told task:1"),
	}
}

func TestRoomsAreEntered(t *testing.T) {
	tellOfAnn(t, session.Config{}, map[string]story{
		"one that authz allows": entered("subscribe"),
		"all of a frame are asked about at once, and told in the client's order": {
			says(subscribe(as(1), "task:1", "task:2", "task:3"), "ask join 1 task:1 task:2 task:3"),
			decided(1, "task:3=subscribe task:1=subscribe", "enter #1 task:1 task:3, told task:1 task:3, not task:2 forbidden"),
		},
		"authz's own code and text are passed on": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"),
			answered(1, map[string]wire.RoomRights{"task:1": {Code: "archived", Message: "the task is archived"}}, "enter #1, told, not task:1 archived"),
		},
		"the right to something else is not the right to enter": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"),
			decided(1, "task:1=publish,signal,history", "enter #1, told, not task:1 forbidden"),
		},
		"a list of rights without leave is none": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"),
			answered(1, map[string]wire.RoomRights{"task:1": {Can: []wire.Right{wire.Subscribe}}}, "enter #1, told, not task:1 forbidden"),
		},
		"a silent authz allows nothing, whatever comes with its silence": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"),
			undecided(1, "enter #1, told, not task:1 unavailable"),
		},
		"what is no room is denied by name, and authz not asked": {
			says(subscribe(as(1), "Task:1", "", "task", "task:"), "enter #1, told, not Task:1 invalid, not  invalid, not task invalid, not task: invalid"),
		},
		"what is no room is denied beside those that are": {
			says(subscribe(as(1), "nope", "task:1"), "ask join 1 task:1"),
			decided(1, "task:1=subscribe", "enter #1 task:1, told task:1, not nope invalid"),
		},
		"one that is named twice is entered once": {
			says(subscribe(as(1), "task:1", "task:1"), "ask join 1 task:1"),
			decided(1, "task:1=subscribe", "enter #1 task:1, told task:1"),
		},
		"one that it is in already is told anew, and authz not asked": append(entered("subscribe"),
			says(subscribe(as(2), "task:1"), "enter #2 task:1, told task:1")),
		"one that it is in already beside one that it is not": append(entered("subscribe"),
			says(subscribe(as(2), "task:1", "task:2"), "ask join 2 task:2"),
			decided(2, "task:2=", "enter #2 task:1, told task:1, not task:2 forbidden")),
		"its own are told anew": {
			says(subscribe(as(1), "user:ann", "hub:all"), "enter #1 user:ann hub:all, told user:ann hub:all"),
		},
		"another user's is asked about as any other": {
			says(subscribe(as(1), "user:bob"), "ask join 1 user:bob"), decided(1, "user:bob=", "enter #1, told, not user:bob forbidden"),
		},
		"one that is asked for twice at once is entered by the first answer": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), says(subscribe(as(2), "task:1"), "ask join 2 task:1"),
			decided(2, "task:1=subscribe", "enter #2 task:1, told task:1"), decided(1, "task:1=", "enter #1 task:1, told task:1"),
		},
		"without an id authz is asked all the same": {
			says(subscribe(frame.Ref{}, "task:1"), "ask join 1 task:1"), decided(1, "task:1=subscribe", "enter - task:1, told task:1"),
		},
		"an answer that nobody asked for, or that comes twice, is nothing": append(entered("subscribe"),
			decided(1, "task:1=subscribe"), decided(9, "task:2=subscribe"), looked(9, nil)),
	})
}

func TestRoomsAreLeft(t *testing.T) {
	tellOfAnn(t, session.Config{}, map[string]story{
		"one that it is in": append(entered("subscribe"),
			says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"), says(unsubscribe(3, "task:1"), "ack #3 {}")),
		"and entered again, authz being asked": append(entered("subscribe"),
			says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"), says(subscribe(as(3), "task:1"), "ask join 2 task:1"),
			decided(2, "task:1=", "enter #3, told, not task:1 forbidden")),
		"one that it is not in": {
			says(unsubscribe(1, "task:1", "task:2"), "ack #1 {}"),
		},
		"one named twice": append(entered("subscribe"),
			says(unsubscribe(2, "task:1", "task:9", "task:1"), "leave task:1", "ack #2 {}")),
		"its own cannot be left, and nothing of such a frame is done": append(entered("subscribe"),
			says(unsubscribe(2, "task:1", "user:ann"), "refuse #2 invalid"), says(unsubscribe(3, "hub:all"), "refuse #3 invalid"),
			says(subscribe(as(4), "task:1"), "enter #4 task:1, told task:1")),
		"what is no room cannot be left, and nothing of such a frame is done": append(entered("subscribe"),
			says(unsubscribe(2, "task:1", "nope"), "refuse #2 invalid"), says(subscribe(as(3), "task:1"), "enter #3 task:1, told task:1")),
		"before authz has answered: it is not entered": {
			says(subscribe(as(1), "task:1", "task:2"), "ask join 1 task:1 task:2"), says(unsubscribe(2, "task:1"), "ack #2 {}"),
			decided(1, "task:1=subscribe task:2=subscribe", "enter #1 task:2, told task:2, not task:1 invalid"),
		},
		"before authz has answered, and asked for again: the later wish holds": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), says(unsubscribe(2, "task:1"), "ack #2 {}"), says(subscribe(as(3), "task:1"), "ask join 2 task:1"),
			decided(2, "task:1=subscribe", "enter #3 task:1, told task:1"), decided(1, "task:1=subscribe", "enter #1, told, not task:1 invalid"),
		},
		"while another room of the same frame is being judged": append(entered("subscribe"),
			says(subscribe(as(2), "task:1", "task:2"), "ask join 2 task:2"), says(unsubscribe(3, "task:1"), "leave task:1", "ack #3 {}"),
			decided(2, "task:2=subscribe", "enter #2 task:2, told task:2, not task:1 invalid")),
	})
}

func TestRoomsAreCounted(t *testing.T) {
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprintf("task:%d", i+1))
	}
	list := " " + strings.Join(hundred, " ")
	allowed := strings.Join(hundred, "=subscribe ") + "=subscribe"
	full := story{
		says(subscribe(as(1), hundred...), "ask join 1"+list),
		decided(1, allowed, "enter #1"+list+", told"+list),
	}
	few := session.Config{MaxRooms: 2}
	tellOfAnn(t, session.Config{}, map[string]story{
		"a connection may be in a hundred": append(full,
			says(subscribe(as(2), "task:101"), "ask join 2 task:101"), decided(2, "task:101=subscribe", "enter #2, told, not task:101 too_many")),
		"those that it is in are no more": append(full, says(subscribe(as(2), "task:7"), "enter #2 task:7, told task:7")),
		"one that is left makes room": append(full,
			says(unsubscribe(2, "task:7"), "leave task:7", "ack #2 {}"),
			says(subscribe(as(3), "task:101"), "ask join 2 task:101"), decided(2, "task:101=subscribe", "enter #3 task:101, told task:101")),
		"authz is not asked about more than can be entered": {
			says(subscribe(as(1), append(slices.Clone(hundred), "task:101", "task:102")...), "ask join 1"+list),
			decided(1, allowed, "enter #1"+list+", told"+list+", not task:101 too_many, not task:102 too_many"),
		},
		"a frame that names a thousand is read, one that names more is not": {
			says(subscribe(as(1), slices.Repeat([]string{"hub:all"}, 1000)...), "enter #1 hub:all, told hub:all"),
			says(subscribe(as(2), slices.Repeat([]string{"hub:all"}, 1001)...), "refuse #2 too_many"),
			says(unsubscribe(3, slices.Repeat([]string{"task:1"}, 1000)...), "ack #3 {}"),
			says(unsubscribe(4, slices.Repeat([]string{"task:1"}, 1001)...), "refuse #4 too_many"),
		},
	})
	tellOfAnn(t, few, map[string]story{
		"frames at once do not enter more together": {
			says(subscribe(as(1), "task:1", "task:2"), "ask join 1 task:1 task:2"), says(subscribe(as(2), "task:3"), "ask join 2 task:3"),
			decided(2, "task:3=subscribe", "enter #2 task:3, told task:3"),
			decided(1, "task:1=subscribe task:2=subscribe", "enter #1 task:1, told task:1, not task:2 too_many"),
		},
		"its own do not count": {
			says(subscribe(as(1), "hub:all", "user:ann", "task:1", "task:2", "task:3"), "ask join 1 task:1 task:2"),
			decided(1, "task:1=subscribe task:2=subscribe", "enter #1 hub:all user:ann task:1 task:2, told hub:all user:ann task:1 task:2, not task:3 too_many"),
		},
	})
}
