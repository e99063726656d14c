package session_test

import (
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
)

func TestRoomsAreEnteredByWayOfTheirPast(t *testing.T) {
	since := &frame.Position{Epoch: "e", Offset: 12}
	back := func(rooms ...string) frame.Subscribe { // each since the same position
		a := subscribe(as(1), rooms...)
		for i := range a.Rooms {
			a.Rooms[i].Since = since
		}
		return a
	}
	whole := func(events int) session.Found {
		return session.Found{Recovered: true, Replay: true, After: *since, UpTo: frame.Position{Epoch: "e", Offset: 15}, Events: events}
	}
	newest := session.Found{Replay: true, After: frame.Position{Epoch: "e", Offset: 40}, UpTo: frame.Position{Epoch: "e", Offset: 70}, Events: 20}
	tellOfAnn(t, session.Config{}, map[string]story{
		"what was missed is told and follows": {
			says(back("task:1"), "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(since e:12)"),
			looked(2, []session.Found{whole(3)}, "enter #1 task:1(after e:12), told task:1 at e:15 recovered=true missed=3"),
		},
		"what cannot be known or had is not recovered, and live from here": {
			says(back("task:1"), "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(since e:12)"),
			looked(2, []session.Found{{}}, "enter #1 task:1, told task:1 recovered=false"),
		},
		"the last events are told and follow": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1", Last: 20}}}, "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(last 20)"),
			looked(2, []session.Found{newest}, "enter #1 task:1(after e:40), told task:1 at e:70 missed=20"),
		},
		"the last events cannot be had: live from here": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1", Last: 20}}}, "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(last 20)"),
			looked(2, []session.Found{{}}, "enter #1 task:1, told task:1"),
		},
		"nobody looks into a room that is denied": {
			says(back("task:1", "task:2"), "ask join 1 task:1 task:2"), decided(1, "task:1= task:2=subscribe", "look 2 task:2(since e:12)"),
			looked(2, []session.Found{whole(3)}, "enter #1 task:2(after e:12), told task:2 at e:15 recovered=true missed=3, not task:1 forbidden"),
		},
		"those without a wish for the past are entered with the others": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1"}, {Room: "task:2", Since: since}}}, "ask join 1 task:1 task:2"),
			decided(1, "task:1=subscribe task:2=subscribe", "look 2 task:2(since e:12)"),
			looked(2, []session.Found{whole(0)}, "enter #1 task:1 task:2(after e:12), told task:1 task:2 at e:15 recovered=true missed=0"),
		},
		"one that it is in already is replayed, authz not being asked": append(entered("subscribe"),
			says(back("task:1"), "look 2 task:1(since e:12)"),
			looked(2, []session.Found{whole(3)}, "enter #1 task:1(after e:12), told task:1 at e:15 recovered=true missed=3")),
		"one that is left before authz has answered is not looked into, and the others get what is theirs": {
			says(back("task:1", "task:2"), "ask join 1 task:1 task:2"), says(unsubscribe(2, "task:1"), "ack #2 {}"),
			decided(1, "task:1=subscribe task:2=subscribe", "look 2 task:2(since e:12)"),
			looked(2, []session.Found{whole(3)}, "enter #1 task:2(after e:12), told task:2 at e:15 recovered=true missed=3, not task:1 invalid"),
		},
		"one that is left while it is looked into is not entered": {
			says(back("task:1", "task:2"), "ask join 1 task:1 task:2"), decided(1, "task:1=subscribe task:2=subscribe", "look 2 task:1(since e:12) task:2(since e:12)"),
			says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"),
			looked(2, []session.Found{whole(1), whole(2)}, "enter #1 task:2(after e:12), told task:2 at e:15 recovered=true missed=2, not task:1 invalid"),
		},
		"one that is left while it is looked into, and entered again meanwhile": {
			says(back("task:1"), "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(since e:12)"),
			says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"),
			says(subscribe(as(3), "task:1"), "ask join 3 task:1"), decided(3, "task:1=subscribe", "enter #3 task:1, told task:1"),
			looked(2, []session.Found{whole(1)}, "enter #1, told, not task:1 invalid"),
		},
		"the end comes first": {
			says(back("task:1"), "ask join 1 task:1"), decided(1, "task:1=subscribe", "look 2 task:1(since e:12)"),
			ends(frame.TooSlow, "close: too slow"), looked(2, []session.Found{whole(3)}),
		},
	})
}

func TestThePastIsRead(t *testing.T) {
	ask := frame.History{Ref: as(2), Room: "task:1", Before: 9, Limit: 50}
	page := frame.Past{Events: []frame.Event{{Name: "e", Room: "task:1", Data: []byte("1"), Offset: 8}}, Epoch: "e", More: true}
	told := `ack #2 {"events":[{"event":"e","room":"task:1","data":1,"offset":8}],"epoch":"e","more":true}`
	none := frame.Problem{}
	tellOfAnn(t, session.Config{MaxCalls: 2}, map[string]story{
		"without being in the room, with the right": {
			says(ask, "ask join 2 task:1"), decided(2, "task:1=history", "history 1 task:1 before 9 limit 50"), remembered(1, page, none, told), remembered(1, page, none),
		},
		"without the right": {
			says(ask, "ask join 2 task:1"), decided(2, "task:1=subscribe,publish", "refuse #2 forbidden"),
		},
		"while authz is silent": {
			says(ask, "ask join 2 task:1"), undecided(2, "refuse #2 unavailable"),
		},
		"in the room, with the right that came with it": append(entered("subscribe,history"),
			says(ask, "history 2 task:1 before 9 limit 50"), remembered(2, page, none, told)),
		"in the room, without the right": append(entered("subscribe"),
			says(ask, "refuse #2 forbidden")),
		"of one's own room authz is asked: it gave no rights with it": {
			says(frame.History{Ref: as(2), Room: "user:ann", Limit: 50}, "ask join 2 user:ann"), decided(2, "user:ann=history", "history 1 user:ann before 0 limit 50"),
		},
		"of what is no room": {
			says(frame.History{Ref: as(2), Room: "task", Limit: 50}, "refuse #2 invalid"),
		},
		"it cannot be read now": append(entered("history,subscribe"),
			says(ask, "history 2 task:1 before 9 limit 50"), remembered(2, frame.Past{}, silence(), "refuse #2 unavailable")),
		"a page without events is a list all the same": append(entered("history,subscribe"),
			says(ask, "history 2 task:1 before 9 limit 50"), remembered(2, frame.Past{Epoch: "e"}, none, `ack #2 {"events":[],"epoch":"e","more":false}`)),
		"it counts as a call under way until it is answered": append(entered("history,subscribe"),
			says(ask, "history 2 task:1 before 9 limit 50"), says(frame.Call{Ref: as(3), Event: "e", Data: []byte("1")}, "call 3 e 1"),
			says(ask, "refuse #2 too_many"), remembered(2, page, none, told), says(frame.Call{Ref: as(4), Event: "e", Data: []byte("1")}, "call 4 e 1")),
		"a refusal of the right ends the call": {
			says(ask, "ask join 2 task:1"), says(ask, "ask join 4 task:1"), says(ask, "refuse #2 too_many"),
			decided(2, "task:1=", "refuse #2 forbidden"), says(ask, "ask join 6 task:1"),
		},
		"the end comes first": append(entered("history,subscribe"),
			says(ask, "history 2 task:1 before 9 limit 50"), ends(frame.Revoked, "close: revoked"), remembered(2, page, none)),
	})
}
