package session_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func showAll(todo []session.Do) (lines []string) {
	for _, do := range todo {
		lines = append(lines, show(do))
	}
	return lines
}

// show writes what is to be done as one line. Texts for people are left out.
func show(do session.Do) string {
	switch d := do.(type) {
	case session.Say:
		return showOut(d.Out)
	case session.AskConnect:
		return fmt.Sprintf("ask connect %d %s", d.Tag, d.Token)
	case session.AskJoin:
		return fmt.Sprintf("ask join %d%s", d.Tag, names(d.Rooms))
	case session.Greet:
		return showGreet(d)
	case session.Look:
		return fmt.Sprintf("look %d%s", d.Tag, showPast(d.Rooms))
	case session.Enter:
		return showEnter(d)
	case session.Leave:
		return "leave" + names(d.Rooms)
	case session.Expel:
		return fmt.Sprintf("expel %s: %s", d.Room, d.Reason)
	case session.Put:
		return "put " + d.Room.String()
	case session.Appear:
		return fmt.Sprintf("appear %d%s", d.Tag, names(d.Rooms))
	case session.Vanish:
		return "vanish from " + d.Room.String()
	case session.Watch:
		return "watch " + d.Room.String()
	case session.Declare:
		return fmt.Sprintf("declare %d %s", d.Tag, jsonOf(d.Status))
	case session.AskRoster:
		return fmt.Sprintf("who is in %d %s", d.Tag, d.Room) + flag(d.After != "", " after "+d.After)
	case session.AskUsers:
		return fmt.Sprintf("who is here %d of %s", d.Tag, strings.Join(d.Users, " "))
	case session.Store:
		return "store " + showEvent(d.Event) + flag(d.Key != "", " key "+d.Key) + flag(!d.Except, " echo") + flag(d.Event.Room != d.Room.String(), " IN ANOTHER ROOM")
	case session.Signal:
		return "signal " + showRef(d.Ref) + " " + showEvent(d.Event) + flag(!d.Except, " echo") + flag(d.Own, " by itself") + flag(d.Event.Room != d.Room.String(), " IN ANOTHER ROOM")
	case session.History:
		return fmt.Sprintf("history %d %s before %d limit %d", d.Tag, d.Room, d.Before, d.Limit)
	case session.Ask:
		return fmt.Sprintf("call %d %s %s", d.Tag, d.Event, d.Data)
	case session.Beat:
		return "beat " + showRef(d.Ref)
	case session.Close:
		return "close: " + d.End.String()
	}
	return fmt.Sprintf("%T", do)
}

func showRef(r frame.Ref) string {
	if !r.Wanted {
		return "-"
	}
	return fmt.Sprintf("#%d", r.N)
}

func showOut(o frame.Out) string {
	switch o := o.(type) {
	case frame.Ack:
		return "ack " + showRef(o.Ref) + " " + jsonOf(o.Body)
	case frame.Refused:
		return "refuse " + showRef(o.Ref) + " " + string(o.Code) + flag(o.RetryAfterMs != 0, fmt.Sprintf(" retry after %d", o.RetryAfterMs)) + flag(o.Message == "", " WITHOUT A TEXT")
	case frame.Event:
		return "event " + showEvent(o)
	case frame.Connected:
		return "connected " + o.User
	}
	return fmt.Sprintf("%T", o)
}

func showEvent(e frame.Event) string {
	return e.Name + flag(e.Room != "", " to "+e.Room) + flag(e.From != "", " from "+e.From) + flag(e.Binary, " bytes") + " " + string(e.Data)
}

func showGreet(g session.Greet) string {
	line := fmt.Sprintf("greet %s in%s%s", g.Hello.User, names(g.Rooms), showReplays(g.Replays))
	if g.Hello.ExpiresAt != 0 {
		line += fmt.Sprintf(" until %d", g.Hello.ExpiresAt)
	}
	line += showPosition(g.Hello.Position) + showRecovery(g.Hello.Recovered, g.Hello.Missed)
	for _, o := range g.Then {
		line += ", then " + showOut(o)
	}
	return line
}

func showEnter(e session.Enter) string {
	line := "enter " + showRef(e.Ref) + names(e.Rooms) + showReplays(e.Replays) + ", told"
	for _, r := range e.Reply.Rooms {
		line += " " + r.Room + showPosition(frame.Position{Epoch: r.Epoch, Offset: r.Offset}) + showRecovery(r.Recovered, r.Missed) + showRoster(r)
	}
	line += flag(len(e.Here) > 0, ", hears of those in"+names(e.Here)) + flag(len(e.Watch) > 0, ", watches"+names(e.Watch))
	for _, d := range e.Reply.Denied {
		line += ", not " + d.Room + " " + string(d.Code)
	}
	return line
}

// showPosition writes one that is told already; else it is where the client enters.
func showPosition(p frame.Position) string {
	return flag(p != (frame.Position{}), fmt.Sprintf(" at %s:%d", p.Epoch, p.Offset))
}

func showRecovery(recovered *bool, missed *int) (line string) {
	if recovered != nil {
		line = fmt.Sprintf(" recovered=%t", *recovered)
	}
	if missed != nil {
		line += fmt.Sprintf(" missed=%d", *missed)
	}
	return line
}

func showRoster(r frame.Entered) (line string) {
	if r.Presence != nil {
		line = fmt.Sprintf(" with %d", len(r.Presence))
	}
	if r.Counts != nil {
		line += fmt.Sprintf(" of %d", r.Counts.Users)
	}
	return line + flag(r.NoPresence != "", " not with: "+string(r.NoPresence))
}

func showReplays(list []session.Replay) (line string) {
	for _, r := range list {
		line += fmt.Sprintf(" %s(after %s:%d)", r.Room, r.After.Epoch, r.After.Offset)
	}
	return line
}

func showPast(list []session.PastAsk) (line string) {
	for _, a := range list {
		line += " " + a.Room.String()
		if a.Since != nil {
			line += fmt.Sprintf("(since %s:%d)", a.Since.Epoch, a.Since.Offset)
		}
		if a.Last != 0 {
			line += fmt.Sprintf("(last %d)", a.Last)
		}
	}
	return line
}

func names(rooms []subject.Room) (line string) {
	for _, r := range rooms {
		line += " " + r.String()
	}
	return line
}

func flag(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return strings.ToUpper(err.Error())
	}
	return string(b)
}
