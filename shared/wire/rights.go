package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
)

// Marks is how far a replica has read what rights are made of: the sequence of
// each bucket's stream.
type Marks struct {
	Policy    uint64 `json:"policy,omitempty"`
	Relations uint64 `json:"relations,omitempty"`
}

// JoinsAsk is many JoinAsks at once, for members whose rights may have
// changed. Gateway → hub.svc.authz.joins. At most 500, with 1,000 rooms in all;
// their AtLeast is not read, this one holds for all.
type JoinsAsk struct {
	AtLeast Marks     `json:"atLeast"`
	Asks    []JoinAsk `json:"asks"`
}

// JoinsAnswer answers JoinsAsk, in its order. A question that cannot be
// understood has no rooms, which denies all of its.
type JoinsAnswer struct {
	Answers []JoinAnswer `json:"answers"`
}

// TouchedAsk asks whom the changes after After, up to UpTo, may concern.
// Gateway → hub.svc.authz.touched. A replica that has not read as far as UpTo
// waits until it has, or says unavailable.
type TouchedAsk struct {
	After Marks `json:"after"`
	UpTo  Marks `json:"upTo"`
}

// TouchedAnswer answers TouchedAsk: the rights of whoever is in none of Touched
// are as they were. All means that the replica does not know (it began later,
// or the changes are too many to name): everyone must be asked for.
type TouchedAnswer struct {
	At      Marks     `json:"at"` // what AtLeast must be when members are asked for again; at least UpTo
	All     bool      `json:"all,omitempty"`
	Touched []Touched `json:"touched,omitempty"`
}

// Touched is members that one change may concern: those that are one of Users
// and in one of Rooms or in a room of one of Types. No Users means every user;
// neither Rooms nor Types means every room.
type Touched struct {
	Users []string `json:"users,omitempty"`
	Rooms []string `json:"rooms,omitempty"`
	Types []string `json:"types,omitempty"`
}

// ExplainAsk asks what a user may do in a room, and why. Anyone → hub.svc.authz.explain.
type ExplainAsk struct {
	User   string                     `json:"user"`
	Claims map[string]json.RawMessage `json:"claims,omitempty"`
	Room   string                     `json:"room"`
}

// LogValue keeps claims out of logs.
func (a ExplainAsk) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", a.User), slog.String("room", a.Room))
}

// ExplainAnswer answers ExplainAsk.
type ExplainAnswer struct {
	Rights RoomRights           `json:"rights"`
	Why    map[Right]ExplainWhy `json:"why"`
}

// ExplainWhy is what decided about one right.
type ExplainWhy struct {
	Allow bool   `json:"allow"`
	Rule  string `json:"rule,omitempty"` // the expression, or what is built in, in words
	From  string `json:"from,omitempty"` // where the rule stands: "HUB_POLICY task.publish", "built-in"
	// Claims are the names of those that the rule reads and the user has.
	Claims []string `json:"claims,omitempty"`
	// Chain is the relations that make the user a member, nearest to the room
	// first: task.42.parent.project.7, project.7.member.user.ann.
	Chain []string `json:"chain,omitempty"`
	Error string   `json:"error,omitempty"` // the rule could not be worked out, and so denies
}

// ReadRevocation reads a value of HUB_REVOKED: the time, in unix seconds,
// before which tokens hold no longer. What cannot be read is after everything,
// with an error to tell of: whoever wrote it meant to shut somebody out, and
// nobody would notice that this somebody is still here.
func ReadRevocation(value []byte) (before float64, err error) {
	before, err = strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
	if err != nil || math.IsNaN(before) {
		return math.Inf(1), fmt.Errorf("wire: read a revocation: %.40q is no number of unix seconds", value)
	}
	return before, nil
}
