package policy

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// The rules of a type that nobody has written any for:
//
//	user:{id}               its own user
//	team: project: task:    a member; or who has the id in the claim teams,
//	                        projects or tasks, or the room or "type:*" in the
//	                        claim rooms; each claim a text or a list of texts
//	hub:all                 everyone hears it and reads it; only backends speak
//	any other type          nobody
//
// Who has a right to a room has all five, but for hub:all. They are not written
// as expressions: so they can be read in one place, and cost nothing.
func builtin(a Ask) []wire.Right {
	if a.Room == subject.All() {
		return []wire.Right{wire.Subscribe, wire.History}
	}
	if a.Room == subject.User(a.User) || byClaim(a) || asksBuiltin(a.Room.Type) && a.Member != nil && a.Member() {
		return Rights()
	}
	return nil
}

// byClaim reports whether claims give the room.
func byClaim(a Ask) bool {
	claim := claimOf(a.Room.Type)
	return claim != "" &&
		(holds(a.Claims[claim], a.Room.ID) || holds(a.Claims["rooms"], a.Room.String()) || holds(a.Claims["rooms"], a.Room.Type+":*"))
}

// asksBuiltin reports whether members of a room of the type have rights.
func asksBuiltin(typ string) bool { return claimOf(typ) != "" }

// claimOf is the claim with the ids of a type's rooms, or "" for a type that
// claims say nothing of.
func claimOf(typ string) string {
	switch typ {
	case "team", "project", "task":
		return typ + "s"
	}
	return ""
}

// holds reports whether a claim is the text or a list that holds it. A number
// is no text: an issuer that means an id writes it as one.
func holds(claim any, text string) bool {
	switch c := claim.(type) {
	case string:
		return c == text
	case []any:
		return slices.ContainsFunc(c, func(one any) bool { return one == text })
	}
	return false
}

// explainBuiltin says in words what decided.
func explainBuiltin(a Ask, right wire.Right) Why {
	w := Why{Asks: asksBuiltin(a.Room.Type)}
	w.From, w.Rule = BuiltIn, ruleInWords(a.Room)
	w.Allow = subject.ValidUser(a.User) && slices.Contains(builtin(a), right)
	for _, name := range []string{claimOf(a.Room.Type), "rooms"} {
		if _, ok := a.Claims[name]; ok && w.Asks {
			w.Claims = append(w.Claims, name)
		}
	}
	slices.Sort(w.Claims)
	return w
}

func ruleInWords(room subject.Room) string {
	claim := claimOf(room.Type)
	switch {
	case room == subject.All():
		return "everyone may subscribe and read the history of hub:all; only backends speak in it"
	case room.Type == subject.User("").Type:
		return "user:{id} is its own user's alone"
	case claim != "":
		return "members; or the claim " + claim + " holds the id; or the claim rooms holds the room or " + room.Type + ":*"
	}
	return "rooms of a type without rules are nobody's"
}
