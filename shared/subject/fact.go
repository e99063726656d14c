package subject

import "strings"

// Relation is how one thing is related to another.
type Relation string

// The relations that the bucket of relations knows.
const (
	Member Relation = "member" // a user is a member of a room
	Parent Relation = "parent" // a room lies below another: its members are members here
)

// Fact is one relation, and one key of the bucket of relations. Member relates
// a room to a user's own room (User), Parent a room to the room above it.
type Fact struct {
	Room     Room
	Relation Relation
	To       Room
}

// MemberOf is the fact that a user is a member of a room.
func MemberOf(room Room, user string) Fact {
	return Fact{Room: room, Relation: Member, To: User(user)}
}

// ParentOf is the fact that a room lies below parent.
func ParentOf(room, parent Room) Fact { return Fact{Room: room, Relation: Parent, To: parent} }

// Key is the fact as it stands in the bucket: team.red.member.user.ann,
// task.42.parent.project.7.
func (f Fact) Key() string { return f.Room.Key() + "." + string(f.Relation) + "." + f.To.Key() }

// String is the fact as people write it: "team:red member user:ann".
func (f Fact) String() string {
	return f.Room.String() + " " + string(f.Relation) + " " + f.To.String()
}

// Valid reports whether the fact can stand in the bucket: a known relation, a
// member that is a user, and a room that is not its own parent.
func (f Fact) Valid() bool {
	switch f.Relation {
	case Member:
		return f.To.Type == "user" && ValidUser(f.To.ID)
	case Parent:
		return f.Room != f.To
	}
	return false
}

// ParseFact reads a key of the bucket. It reports false for any spelling but
// the one that Key writes of a valid fact.
func ParseFact(key string) (f Fact, ok bool) {
	parts := strings.Split(key, ".")
	if len(parts) != 5 {
		return Fact{}, false
	}
	room, ok := ParseKey(parts[0] + "." + parts[1])
	if !ok {
		return Fact{}, false
	}
	to, ok := ParseKey(parts[3] + "." + parts[4])
	if !ok {
		return Fact{}, false
	}
	f = Fact{Room: room, Relation: Relation(parts[2]), To: to}
	return f, f.Valid()
}
