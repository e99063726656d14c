package session_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// subscribes: the client asks to be in the rosters of rooms.
func subscribes(n int64, rooms []string, want ...string) step {
	a := frame.Subscribe{Ref: as(n), Presence: true}
	for _, r := range rooms {
		a.Rooms = append(a.Rooms, frame.RoomAsk{Room: r})
	}
	return says(a, want...)
}

// appeared: the answer to Appear.
func appeared(tag session.Tag, found []session.Roster, want ...string) step {
	return step{what: "presence says who is there", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Appeared(tag, found)
	}}
}

// roster is one of so many users.
func roster(users int) session.Roster {
	return session.Roster{Users: make([]wire.PresenceUser, users)}
}

// after is a story that goes on.
func after(st story, more ...step) story { return slices.Concat(st, more) }

func TestRostersAreEntered(t *testing.T) {
	one := []string{"task:1"}
	begun := story{
		subscribes(1, one, "ask join 1 task:1"),
		decided(1, "task:1=subscribe,presence", "appear 2 task:1"),
	}
	inside := after(begun, appeared(2, []session.Roster{roster(1)}, "enter #1 task:1, told task:1 with 1, hears of those in task:1"))
	big := roster(200)
	big.More, big.Counts.Users = true, 300
	heavy := roster(200)
	for i := range heavy.Users {
		heavy.Users[i].Info = []byte(strings.Repeat("x", 1024))
		heavy.Users[i].Data = []byte(strings.Repeat("x", 1024))
	}
	tellOfAnn(t, session.Config{MaxRooms: 2}, map[string]story{
		"the ack says who is there": inside,
		"a large room's ack has the first of them": after(begun,
			appeared(2, []session.Roster{big}, "enter #1 task:1, told task:1 with 200 of 300, hears of those in task:1")),
		"a roster that is not known is not told to be empty": after(begun,
			appeared(2, []session.Roster{{Code: wire.Unavailable}}, "enter #1 task:1, told task:1 not with: unavailable, hears of those in task:1")),
		"an empty roster is told to be": after(begun,
			appeared(2, []session.Roster{{}}, "enter #1 task:1, told task:1 with 0, hears of those in task:1")),
		"more than an ack can hold is not told": {
			subscribes(1, []string{"task:1", "task:2"}, "ask join 1 task:1 task:2"),
			decided(1, "task:1=subscribe,presence task:2=subscribe,presence", "appear 2 task:1 task:2"),
			appeared(2, []session.Roster{heavy, heavy},
				"enter #1 task:1 task:2, told task:1 with 200 task:2 not with: too_large, hears of those in task:1 task:2"),
		},
		"without the right the room is entered and its roster is not": {
			subscribes(1, []string{"task:1", "task:2"}, "ask join 1 task:1 task:2"),
			decided(1, "task:1=subscribe task:2=subscribe,presence", "appear 2 task:2"),
			appeared(2, []session.Roster{roster(1)}, "enter #1 task:1 task:2, told task:1 not with: forbidden task:2 with 1, hears of those in task:2"),
		},
		"of a room that is denied nobody is asked": {
			subscribes(1, one, "ask join 1 task:1"), decided(1, "task:1=", "enter #1, told, not task:1 forbidden"),
		},
		"without presence:true nobody is asked": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1"}}}, "ask join 1 task:1"),
			decided(1, "task:1=subscribe,presence", "enter #1 task:1, told task:1"),
			subscribes(2, one, "appear 2 task:1"),
			appeared(2, []session.Roster{roster(1)}, "enter #2 task:1, told task:1 with 1, hears of those in task:1"),
		},
		"in a room that it is in by itself it takes authz's word": {
			subscribes(1, []string{"user:ann", "hub:all"}, "ask join 1 user:ann hub:all"),
			decided(1, "user:ann=subscribe,presence", "appear 2 user:ann"),
			appeared(2, []session.Roster{roster(1)}, "enter #1 user:ann hub:all, told user:ann with 1 hub:all not with: forbidden, hears of those in user:ann"),
			touched("user:ann", "ask join 3 user:ann"), reconsidered(3, "user:ann=subscribe", "vanish from user:ann"),
		},
		"authz is silent about a room that it is in by itself": {
			subscribes(1, []string{"user:ann"}, "ask join 1 user:ann"), undecided(1, "enter #1 user:ann, told user:ann not with: unavailable"),
		},
		"the past comes after the roster": {
			says(frame.Subscribe{Ref: as(1), Presence: true, Rooms: []frame.RoomAsk{{Room: "task:1", Last: 5}}}, "ask join 1 task:1"),
			decided(1, "task:1=subscribe,presence", "appear 2 task:1"),
			appeared(2, []session.Roster{roster(1)}, "look 3 task:1(last 5)"),
			looked(3, []session.Found{{Replay: true, Events: 2, After: frame.Position{Epoch: "e", Offset: 3}, UpTo: frame.Position{Epoch: "e", Offset: 9}}},
				"enter #1 task:1(after e:3), told task:1 at e:9 missed=2 with 1, hears of those in task:1"),
		},
		"left before it is known who is there": after(begun,
			says(frame.Unsubscribe{Ref: as(2), Rooms: one}, "leave task:1", "ack #2 {}"),
			appeared(2, []session.Roster{roster(1)}, "enter #1, told, not task:1 invalid")),
		"lost before it is known who is there": after(begun,
			touched("task:1", "ask join 3 task:1"), reconsidered(3, "task:1=", "vanish from task:1"),
			appeared(2, []session.Roster{roster(1)}, "enter #1, told, not task:1 forbidden")),
		"the right to know it is lost before it is known": after(begun,
			touched("task:1", "ask join 3 task:1"), reconsidered(3, "task:1=subscribe", "vanish from task:1"),
			appeared(2, []session.Roster{roster(1)}, "enter #1 task:1, told task:1 not with: forbidden")),
		"taken out by a backend before it is known": after(begun,
			kicked("task:1", "", "vanish from task:1"),
			appeared(2, []session.Roster{roster(1)}, "enter #1, told, not task:1 forbidden")),
		"the right to know who is there is lost, and the room is not": after(inside,
			touched("task:1", "ask join 3 task:1"), reconsidered(3, "task:1=subscribe", "vanish from task:1"),
			touched("task:1", "ask join 4 task:1"), reconsidered(4, "task:1=subscribe,presence")),
		"the room is lost": after(inside,
			touched("task:1", "ask join 3 task:1"), reconsidered(3, "task:1=", "expel task:1: you may no longer be in this room")),
		"put in by a backend, it still takes authz's word to know who is there": after(inside,
			joined("task:1", "put task:1"),
			touched("task:1", "ask join 3 task:1"), reconsidered(3, "task:1=", "vanish from task:1")),
		"the end comes first": after(begun,
			ends(frame.Restart, "close: restart"), appeared(2, []session.Roster{roster(1)})),
		"an answer to nothing": {appeared(9, []session.Roster{roster(1)})},
	})
}

func TestWhoMayHearsOfAUserInTheMesh(t *testing.T) {
	bob := says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "user:bob"}}}, "ask join 1 user:bob")
	tellOfAnn(t, session.Config{}, map[string]story{
		"with the right": {
			bob, decided(1, "user:bob=subscribe,presence", "enter #1 user:bob, told user:bob, watches user:bob"),
			touched("user:bob", "ask join 2 user:bob"), reconsidered(2, "user:bob=subscribe", "vanish from user:bob"),
			touched("user:bob", "ask join 3 user:bob"), reconsidered(3, "user:bob=subscribe,presence", "watch user:bob"),
			touched("user:bob", "ask join 4 user:bob"), reconsidered(4, "user:bob=subscribe,presence"),
		},
		"without it": {bob, decided(1, "user:bob=subscribe", "enter #1 user:bob, told user:bob")},
	})
}

func TestAStatusIsDeclared(t *testing.T) {
	status := func(n int64, status, text, data string, want ...string) step {
		return says(frame.Status{Ref: as(n), Status: status, Text: text, Data: []byte(data)}, want...)
	}
	away := status(1, "away", "lunch", "", `declare 1 {"status":"away","text":"lunch"}`)
	tellOfAnn(t, session.Config{MaxCalls: 1}, map[string]story{
		"taken up":                  {away, declared(frame.Problem{}, "ack #1 {}"), declared(frame.Problem{})},
		"presence is silent":        {away, declared(silence(), "refuse #1 unavailable")},
		"with data":                 {status(1, "busy", "", `{"until":13}`, `declare 1 {"status":"busy","data":{"until":13}}`)},
		"invisible":                 {status(1, "invisible", "", "", `declare 1 {"status":"invisible"}`)},
		"offline is none to say":    {status(1, "offline", "", "", "refuse #1 invalid")},
		"a text of 256 bytes":       {status(1, "away", strings.Repeat("x", 256), "", `declare 1 {"status":"away","text":"`+strings.Repeat("x", 256)+`"}`)},
		"a text that is too long":   {status(1, "away", strings.Repeat("é", 129), "", "refuse #1 invalid")},
		"data that is too long":     {status(1, "away", "", `{"x":"`+strings.Repeat("x", 1020)+`"}`, "refuse #1 invalid")},
		"data that is no object":    {status(1, "away", "", `[1]`, "refuse #1 invalid")},
		"data that is no JSON":      {status(1, "away", "", `{`, "refuse #1 invalid")},
		"it counts as a call":       {away, status(2, "busy", "", "", "refuse #2 too_many")},
		"the end comes first":       {away, ends(frame.Restart, "close: restart"), declared(frame.Problem{})},
		"a connection may have any": {status(1, "online", "", "", `declare 1 {"status":"online"}`)},
	})
}

// declared: the answer to the first Declare.
func declared(p frame.Problem, want ...string) step {
	return step{what: "presence takes it up", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Declared(1, p) }}
}

// rostered: the answer to the first AskRoster or AskUsers.
func rostered(page frame.Here, p frame.Problem, want ...string) step {
	return step{what: "presence answers", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Rostered(1, page, p) }}
}

func TestWhoIsHereIsAsked(t *testing.T) {
	get := func(n int64, room string, want ...string) step {
		return says(frame.Roster{Ref: as(n), Room: room}, want...)
	}
	ann := frame.Here{Users: []wire.PresenceUser{{User: "ann", Status: "online", Connections: 1, Since: 1, LastSeen: 2}}, Next: "ann"}
	page := `ack #1 {"users":[{"user":"ann","status":"online","connections":1,"since":1,"lastSeen":2}],"next":"ann"}`
	tellOfAnn(t, session.Config{MaxCalls: 1}, map[string]story{
		"it takes the right, not membership": {
			get(1, "task:1", "ask join 2 task:1"), decided(2, "task:1=presence", "who is in 1 task:1"), rostered(ann, frame.Problem{}, page),
		},
		"the next page": {
			says(frame.Roster{Ref: as(1), Room: "task:1", After: "ann"}, "ask join 2 task:1"),
			decided(2, "task:1=presence", "who is in 1 task:1 after ann"), rostered(frame.Here{}, frame.Problem{}, `ack #1 {"users":[]}`),
		},
		"without the right": {get(1, "task:1", "ask join 2 task:1"), decided(2, "task:1=subscribe,history", "refuse #1 forbidden")},
		"authz is silent":   {get(1, "task:1", "ask join 2 task:1"), undecided(2, "refuse #1 unavailable")},
		"a member is not asked about again": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1"}}}, "ask join 1 task:1"),
			decided(1, "task:1=subscribe,presence", "enter #1 task:1, told task:1"), get(2, "task:1", "who is in 2 task:1"),
		},
		"rights that change meanwhile": {
			get(1, "task:1", "ask join 2 task:1"), touched("task:1"), decided(2, "task:1=presence", "ask join 3 task:1"), decided(3, "task:1=", "refuse #1 forbidden"),
		},
		"presence is silent": {
			get(1, "task:1", "ask join 2 task:1"), decided(2, "task:1=presence", "who is in 1 task:1"), rostered(ann, silence(), "refuse #1 unavailable"),
		},
		"of users everyone may ask": {
			says(frame.Roster{Ref: as(1), Users: []string{"ann", "bob"}}, "who is here 1 of ann bob"), rostered(ann, frame.Problem{}, page),
		},
		"of more users than a page has": {says(frame.Roster{Ref: as(1), Users: make([]string, 201)}, "refuse #1 invalid")},
		"no room":                       {get(1, "nope", "refuse #1 invalid")},
		"it counts as a call":           {get(1, "task:1", "ask join 2 task:1"), get(2, "task:2", "refuse #2 too_many")},
	})
}

func TestWritingIsTold(t *testing.T) {
	start := func(n int64, room string, want ...string) step {
		return says(frame.Typing{Ref: as(n), Room: room}, want...)
	}
	stop := func(n int64, want ...string) step {
		return says(frame.Typing{Ref: as(n), Room: "task:1", Stopped: true}, want...)
	}
	const (
		typing  = ` user:typing to task:1 from ann {"room":"task:1","user":"ann"}`
		stopped = ` user:stopped-typing to task:1 from ann {"room":"task:1","user":"ann"}`
	)
	writes := story{start(1, "task:1", "ask join 1 task:1"), decided(1, "task:1=signal", "signal #1"+typing)}
	member := story{
		says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1"}}}, "ask join 1 task:1"),
		decided(1, "task:1=subscribe,signal", "enter #1 task:1, told task:1"),
		start(2, "task:1", "signal #2"+typing),
	}
	tellOfAnn(t, session.Config{}, map[string]story{
		"until the client says otherwise":   after(member, stop(3, "signal #3"+stopped), passes(time.Minute)),
		"repeats are passed on":             after(member, start(3, "task:1", "signal #3"+typing), stop(4, "signal #4"+stopped), stop(5, "signal #5"+stopped)),
		"it stops by itself after 6 s":      after(writes, passes(5*time.Second), passes(time.Second, "signal -"+stopped+" by itself"), passes(time.Minute)),
		"a repeat begins the 6 s anew":      after(member, later(5*time.Second, start(3, "task:1", "signal #3"+typing)), passes(5*time.Second), passes(time.Second, "signal -"+stopped+" by itself")),
		"it stops when the connection ends": after(writes, ends(frame.Restart, "signal -"+stopped+" by itself", "close: restart")),
		"it takes the right to signal":      {start(1, "task:1", "ask join 1 task:1"), decided(1, "task:1=subscribe,publish", "refuse #1 forbidden"), passes(time.Minute)},
		"nowhere":                           {start(1, "nope", "refuse #1 invalid")},
		"not to everyone":                   {start(1, "hub:all", "refuse #1 forbidden")},
		"in order with the other signals":   {start(1, "task:1", "ask join 1 task:1"), says(frame.Publish{Ref: as(2), Room: "task:1", Event: "e", Data: []byte("1")}), decided(1, "task:1=signal", "signal #1"+typing, "ask join 2 task:1")},
		"a client cannot say it of others": {
			says(frame.Publish{Ref: as(1), Room: "task:1", Event: "user:typing", Data: []byte("1")}, "refuse #1 invalid"),
			says(frame.Publish{Ref: as(2), Room: "task:1", Event: "user:stopped-typing", Data: []byte("1")}, "refuse #2 invalid"),
			says(frame.Publish{Ref: as(3), Room: "task:1", Event: "presence:update", Data: []byte("1")}, "refuse #3 invalid"),
		},
	})
}
