// Package policy says what a user may do in a room, by the claims of the
// user's token.
//
// It is the built-in policy. It asks nobody, keeps nothing, and believes the
// claims it is given: whoever asks has verified them. Policies that users
// write, and relations between users and rooms, are not there yet.
//
//	user:{id}               its own user
//	team: project: task:    who has the id in the claim teams, projects or
//	                        tasks, or the room or "type:*" in the claim rooms;
//	                        each claim a text or a list of texts
//	hub:all                 everyone hears it and reads it; only backends speak
//	a type in Policy.Open   everyone
//	any other type          nobody
//
// Who has a right to a room has all five, but for hub:all.
package policy

import (
	"fmt"
	"slices"

	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Policy is what the built-in policy can be told. The zero Policy opens
// nothing.
type Policy struct {
	Open []string // types of rooms that everyone may enter
}

// Claims are those of a verified token, as encoding/json decodes them into
// any.
type Claims map[string]any

// Decision is what a user may do in a room. With Can empty nothing is allowed,
// and Code and Message say why.
type Decision struct {
	Can     []wire.Right
	Code    wire.Code
	Message string
}

// Validate returns an error when a type of Open is none, or has a rule of its
// own that opening it would lift.
func (p Policy) Validate() error {
	for _, typ := range p.Open {
		if _, err := subject.ParseRoom(typ + ":x"); err != nil {
			return fmt.Errorf("policy: open %q: that is no type of rooms", typ)
		}
		if claimOf(typ) != "" || typ == subject.User("x").Type || typ == subject.All().Type {
			return fmt.Errorf("policy: open %q: that type has a rule of its own", typ)
		}
	}
	return nil
}

// Decide says what user, with claims, may do in room. What cannot be
// understood, in claims too, allows nothing.
func (p Policy) Decide(user string, claims Claims, room subject.Room) Decision {
	if room == subject.All() {
		return Decision{Can: []wire.Right{wire.Subscribe, wire.History}}
	}
	if !p.allows(user, claims, room) {
		return Decision{Code: wire.Forbidden, Message: "no right to " + room.String()}
	}
	return Decision{Can: []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}}
}

func (p Policy) allows(user string, claims Claims, room subject.Room) bool {
	if !subject.ValidUser(user) {
		return false
	}
	if room == subject.User(user) || slices.Contains(p.Open, room.Type) {
		return true
	}
	claim := claimOf(room.Type)
	return claim != "" &&
		(holds(claims[claim], room.ID) || holds(claims["rooms"], room.String()) || holds(claims["rooms"], room.Type+":*"))
}

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
