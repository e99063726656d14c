package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// room reads a room's name.
func room(name string) subject.Room {
	r, err := subject.ParseRoom(name)
	if err != nil {
		panic(err)
	}
	return r
}

// touched: rights may have changed in rooms, all if none is named. want is
// "again <tag> <rooms>" for what must be asked, nothing otherwise.
func touched(rooms string, want ...string) step {
	return step{what: "rights change", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		tag, list := s.Touched(func(r subject.Room) bool {
			return rooms == "" || strings.Contains(" "+rooms+" ", " "+r.String()+" ")
		})
		if len(list) == 0 {
			return nil
		}
		return []session.Do{session.AskJoin{Tag: tag, Rooms: list}}
	}}
}

// reconsidered: the answer to what touched returned.
func reconsidered(tag session.Tag, text string, want ...string) step {
	return step{what: "authz says what holds now", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Reconsidered(tag, rights(text), frame.Problem{})
	}}
}

// notReconsidered: authz does not say it.
func notReconsidered(tag session.Tag, want ...string) step {
	return step{what: "authz does not say what holds now", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Reconsidered(tag, rights("task:1=subscribe"), silence())
	}}
}

// joined: a backend puts the client into a room.
func joined(name string, want ...string) step {
	return step{what: "a backend puts it in", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		todo, _ := s.Join(room(name))
		return todo
	}}
}

// kicked: a backend takes the client out of a room.
func kicked(name, reason string, want ...string) step {
	return step{what: "a backend takes it out", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		todo, _ := s.Leave(room(name), reason)
		return todo
	}}
}

const (
	lost = "you may no longer be in this room"
	out  = "a backend has taken you out"
)

func TestRightsEnd(t *testing.T) {
	two := story{
		says(subscribe(as(1), "task:1", "task:2"), "ask join 1 task:1 task:2"),
		decided(1, "task:1=subscribe,publish task:2=subscribe,publish", "enter #1 task:1 task:2, told task:1 task:2"),
	}
	tellOfAnn(t, session.Config{}, map[string]story{
		"who may no longer be in a room is out of it": append(two,
			touched("task:1", "ask join 2 task:1"), reconsidered(2, "", "expel task:1: "+lost),
			says(unsubscribe(2, "task:1"), "ack #2 {}"),
			says(subscribe(as(3), "task:1", "task:2"), "ask join 3 task:1"), decided(3, "task:1=", "enter #3 task:2, told task:2, not task:1 forbidden")),
		"who has other rights, but not this, is out too": append(two,
			touched("task:1", "ask join 2 task:1"), reconsidered(2, "task:1=publish,history", "expel task:1: "+lost)),
		"who still may stays, and nothing is said": append(two,
			touched("", "ask join 2 task:1 task:2"), reconsidered(2, "task:1=subscribe,publish task:2=subscribe,publish")),
		"only those rooms are asked about that the change concerns": append(two, touched("task:3 user:ann hub:all")),
		"its own rooms are not the policy's":                        {touched("")},
		"other rights follow too": append(two,
			touched("task:1", "ask join 2 task:1"), reconsidered(2, "task:1=subscribe,history"),
			says(frame.Publish{Ref: as(2), Room: "task:1", Event: "e", Durable: true}, "refuse #2 forbidden"),
			says(frame.History{Ref: as(3), Room: "task:1", Limit: 5}, "history 3 task:1 before 0 limit 5")),
		"a right that is given counts at once": append(entered("subscribe"),
			touched("", "ask join 2 task:1"), reconsidered(2, "task:1=subscribe,publish"),
			says(frame.Publish{Ref: as(2), Room: "task:1", Event: "e", Data: []byte("1"), Durable: true}, "store e to task:1 from ann 1")),
		"a room that is lost makes room for another": append(two,
			touched("", "ask join 2 task:1 task:2"), reconsidered(2, "", "expel task:1: "+lost, "expel task:2: "+lost)),
		"one that was left meanwhile is not told of": append(two,
			touched("task:1", "ask join 2 task:1"), says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"), reconsidered(2, "")),
		"of two changes the later answer counts, whichever comes first": append(two,
			touched("task:1", "ask join 2 task:1"), touched("task:1", "ask join 3 task:1"),
			reconsidered(3, "task:1=subscribe"), reconsidered(2, ""),
			says(frame.Publish{Ref: as(2), Room: "task:1", Event: "e"}, "refuse #2 forbidden")),
		"two changes of two rooms are both answered": append(two,
			touched("task:1", "ask join 2 task:1"), touched("task:2", "ask join 3 task:2"),
			reconsidered(2, "", "expel task:1: "+lost), reconsidered(3, "", "expel task:2: "+lost)),
		"a silent authz lets nobody stay": append(two,
			touched("", "ask join 2 task:1 task:2"), notReconsidered(2, "refuse - unavailable", "close: restart")),
		"a silent authz ends nobody who has left": append(two,
			touched("task:1", "ask join 2 task:1"), says(unsubscribe(2, "task:1"), "leave task:1", "ack #2 {}"), notReconsidered(2)),
		"an answer that nobody waits for is nothing": append(two, reconsidered(9, ""), reconsidered(1, "")),
		"nothing is asked after the end":             append(two, ends(frame.Flood, "close: flood"), touched("")),
		"an answer after the end is nothing":         append(two, touched("", "ask join 2 task:1 task:2"), ends(frame.Flood, "close: flood"), reconsidered(2, "")),
	})
}

func TestWhatIsBeingDecidedWhileRightsChangeIsDecidedAgain(t *testing.T) {
	tellOfAnn(t, session.Config{}, map[string]story{
		"a join": {
			says(subscribe(as(1), "task:1", "task:2"), "ask join 1 task:1 task:2"), touched("task:2"),
			decided(1, "task:1=subscribe task:2=subscribe", "ask join 2 task:1 task:2"),
			decided(2, "task:1=subscribe", "enter #1 task:1, told task:1, not task:2 forbidden"),
		},
		"a join, as often as they change": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), touched(""),
			decided(1, "task:1=subscribe", "ask join 2 task:1"), touched(""),
			decided(2, "task:1=subscribe", "ask join 3 task:1"), decided(3, "task:1=subscribe", "enter #1 task:1, told task:1"),
		},
		"not a join of other rooms": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), touched("task:2"), decided(1, "task:1=subscribe", "enter #1 task:1, told task:1"),
		},
		"not a join that was refused an answer": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), touched(""), undecided(1, "enter #1, told, not task:1 unavailable"),
		},
		"nor what was canceled meanwhile": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), touched(""), says(unsubscribe(2, "task:1"), "ack #2 {}"),
			decided(1, "task:1=subscribe", "enter #1, told, not task:1 invalid"),
		},
		"a publish": {
			says(frame.Publish{Ref: as(1), Room: "task:1", Event: "e", Durable: true}, "ask join 1 task:1"), touched("task:1"),
			decided(1, "task:1=publish", "ask join 2 task:1"), decided(2, "task:1=", "refuse #1 forbidden"),
		},
		"a look into the past": {
			says(frame.History{Ref: as(1), Room: "task:1", Limit: 5}, "ask join 2 task:1"), touched("task:1"),
			decided(2, "task:1=history", "ask join 3 task:1"), decided(3, "task:1=", "refuse #1 forbidden"),
		},
		"a room whose past is looked for is not entered any more, nor told of as left": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1", Last: 5}}}, "ask join 1 task:1"),
			decided(1, "task:1=subscribe", "look 2 task:1(last 5)"), touched("", "ask join 3 task:1"),
			reconsidered(3, ""), looked(2, []session.Found{{Replay: true}}, "enter #1, told, not task:1 forbidden"),
		},
		"one that the client is in is told of as left, and then not entered": append(entered("subscribe"),
			says(frame.Subscribe{Ref: as(2), Rooms: []frame.RoomAsk{{Room: "task:1", Last: 5}}}, "look 2 task:1(last 5)"),
			touched("", "ask join 3 task:1"), reconsidered(3, "", "expel task:1: "+lost),
			looked(2, []session.Found{{Replay: true}}, "enter #2, told, not task:1 forbidden")),
	})
}

func TestBackendsPutClientsIntoRoomsAndTakeThemOut(t *testing.T) {
	tellOfAnn(t, session.Config{MaxRooms: 1}, map[string]story{
		"who is put in stays whatever the policy says": {joined("task:1", "put task:1"), touched("")},
		"also when it had entered by the policy": append(entered("subscribe,publish"),
			joined("task:1", "put task:1"), touched("")),
		"being put in is no right to publish": {
			joined("task:1", "put task:1"),
			says(frame.Publish{Ref: as(1), Room: "task:1", Event: "e"}, "ask join 1 task:1"), decided(1, "", "refuse #1 forbidden"),
		},
		"it does not count against what the client may": {
			joined("task:1", "put task:1"), joined("task:2", "put task:2"),
			says(subscribe(as(1), "task:3"), "ask join 1 task:3"), decided(1, "task:3=subscribe", "enter #1 task:3, told task:3"),
			joined("task:3", "put task:3"),
			says(subscribe(as(2), "task:4"), "ask join 2 task:4"), decided(2, "task:4=subscribe", "enter #2 task:4, told task:4"),
		},
		"the client may leave": {
			joined("task:1", "put task:1"), says(unsubscribe(1, "task:1"), "leave task:1", "ack #1 {}"),
		},
		"who is taken out hears why": append(entered("subscribe"),
			kicked("task:1", "it is closed", "expel task:1: it is closed"), kicked("task:1", "")),
		"and hears that, when no reason is given": append(entered("subscribe"), kicked("task:1", "", "expel task:1: "+out)),
		"who was taken out may come again, if the policy lets it": append(entered("subscribe"),
			kicked("task:1", "", "expel task:1: "+out),
			says(subscribe(as(2), "task:1"), "ask join 2 task:1"), decided(2, "task:1=subscribe", "enter #2 task:1, told task:1")),
		"nobody is taken out of what everyone is in": {kicked("user:ann", ""), kicked("hub:all", "")},
		"a room that is still looked at is not entered": {
			says(frame.Subscribe{Ref: as(1), Rooms: []frame.RoomAsk{{Room: "task:1", Last: 5}}}, "ask join 1 task:1"),
			decided(1, "task:1=subscribe", "look 2 task:1(last 5)"), kicked("task:1", ""),
			looked(2, []session.Found{{Replay: true}}, "enter #1, told, not task:1 forbidden"),
		},
		"put in while authz is asked, it is in": {
			says(subscribe(as(1), "task:1"), "ask join 1 task:1"), joined("task:1", "put task:1"),
			decided(1, "", "enter #1 task:1, told task:1"),
		},
	})
	tell(t, session.Config{}, map[string]story{
		"nobody is put in before it is known who it is": {joined("task:1"), kicked("task:1", "")},
	})
}

func TestASessionSaysWhichRoomsItHolds(t *testing.T) {
	s := session.New(session.Config{}, t0())
	s.Admit(t0(), ann(), nil)
	want := func(what string, holds, in bool) {
		t.Helper()
		if got := s.Holds("task.1"); got != holds || s.In("task.1") != in {
			t.Errorf("%s: Holds = %v, In = %v, want %v, %v", what, got, s.In("task.1"), holds, in)
		}
	}
	want("before it is asked for", false, false)
	s.Hear(t0(), subscribe(as(1), "task:1"))
	want("while authz decides", true, false)
	s.Decided(1, rights("task:1=subscribe"), frame.Problem{})
	want("in it", true, true)
	if got := strings.Join(s.Rooms(), " "); got != "hub.all task.1 user.ann" {
		t.Errorf("Rooms() = %s", got)
	}
	s.Hear(t0(), unsubscribe(2, "task:1"))
	want("left", false, false)
	s.Hear(t0(), frame.Publish{Ref: as(3), Room: "task:1", Event: "e"})
	want("while a publish is judged", true, false)
	s.End(frame.Flood)
	want("after the end", false, false)
}
