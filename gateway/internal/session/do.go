package session

import (
	"encoding/json"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Do is something to be carried out, in the order given. Exactly the types in
// this file are Do.
//
//sumtype:decl
type Do interface{ do() }

// Say tells the client something. An Ack whose Ref is not wanted, here and in
// what else answers, is not told.
type Say struct{ Out frame.Out }

// AskConnect asks authz who brings this token; answer with Admitted.
type AskConnect struct {
	Tag   Tag
	Token string
}

// AskJoin asks authz what the user may do in rooms; answer with Decided.
type AskJoin struct {
	Tag   Tag
	Rooms []subject.Room
}

// Greet enters the connection's own rooms, tells it Hello, then what is in
// Then, then what Replays say. Hello has a position already where its rooms are
// those of Replays; else it is where the client enters.
type Greet struct {
	Hello   frame.Connected
	Rooms   []subject.Room
	Replays []Replay
	Then    []frame.Out
}

// Look asks what rooms hold of what the client wants; answer with Looked.
type Look struct {
	Tag   Tag
	Rooms []PastAsk
}

// PastAsk is a wish for a room's past: all since a position, or the last so
// many events. Since beats Last.
type PastAsk struct {
	Room  subject.Room
	Since *frame.Position
	Last  int
}

// Found is what a room holds of what was asked for.
type Found struct {
	Recovered bool           // all since the position asked for can be replayed
	Replay    bool           // something may have to be replayed, or a position waited for
	After     frame.Position // where a replay begins
	UpTo      frame.Position // a client that has been told Events of them has all up to here
	Events    int
}

// Enter puts the client into rooms and tells it Reply. Rooms of Reply are Rooms
// and those of Replays; those that it is in already are told anew. Into the
// rooms of Replays it comes after their past was replayed, with nothing
// between. Those of Rooms have no position in Reply yet: it is where the client
// enters.
//
// From Reply on the client hears of those in the rooms of Here, all that is not
// in the rosters that Appeared was asked for, and of the users of Watch.
type Enter struct {
	Ref      frame.Ref
	Rooms    []subject.Room
	Replays  []Replay
	Reply    frame.Subscribed
	Appeared Tag
	Here     []subject.Room
	Watch    []subject.Room
}

// Appear puts the client into the rosters of rooms, and asks who is there;
// answer with Appeared.
type Appear struct {
	Tag   Tag
	Rooms []subject.Room
}

// Roster is who is in a room, the first of them where there are More; or, with
// a Code, why that is not known.
type Roster struct {
	Users  []wire.PresenceUser
	Counts wire.PresenceCounts
	More   bool
	Code   wire.Code
}

// Vanish takes the client out of a room's roster, and lets it hear no more of
// those in it. It may be in the room still.
type Vanish struct{ Room subject.Room }

// Watch lets the client hear how the user is whose room it is in.
type Watch struct{ Room subject.Room }

// Declare says how the user is; answer with Declared.
type Declare struct {
	Tag    Tag
	Status wire.UserStatus
}

// AskRoster asks for a page of those in a room; answer with Rostered.
type AskRoster struct {
	Tag   Tag
	Room  subject.Room
	After string
}

// AskUsers asks which of some users are here; answer with Rostered.
type AskUsers struct {
	Tag   Tag
	Users []string
}

// Replay is a room that is entered by way of its past.
type Replay struct {
	Room  subject.Room
	After frame.Position
}

// History asks for a page of a room's past; answer with Remembered.
type History struct {
	Tag    Tag
	Room   subject.Room
	Before uint64
	Limit  int
}

// Leave takes the client out of rooms, and of their rosters.
type Leave struct{ Rooms []subject.Room }

// Expel takes the client out of a room and tells it so: the last that it hears
// of the room.
type Expel struct {
	Room   subject.Room
	Reason string
	Kicked bool // by a backend, not by the policy
}

// Put puts the client into a room that it did not ask for, and tells it so. It
// may be in it already.
type Put struct{ Room subject.Room }

// Store publishes a durable event; answer with Stored.
type Store struct {
	Room   subject.Room
	Event  frame.Event
	Key    string // of the client's own, or ""
	Except bool   // the connection itself does not hear it
}

// Signal publishes an event that is not stored, and answers Ref.
type Signal struct {
	Ref    frame.Ref
	Room   subject.Room
	Event  frame.Event
	Except bool
	Own    bool // the client did not ask for it: nobody waits for an answer
}

// Ask asks a backend; answer with Replied.
type Ask struct {
	Tag   Tag
	Event string
	Data  json.RawMessage
}

// Beat tells the time and the position.
type Beat struct{ Ref frame.Ref }

// Close ends the connection. It is the last that is decided.
type Close struct{ End frame.End }

func (Say) do()        {}
func (AskConnect) do() {}
func (AskJoin) do()    {}
func (Greet) do()      {}
func (Enter) do()      {}
func (Look) do()       {}
func (History) do()    {}
func (Leave) do()      {}
func (Expel) do()      {}
func (Appear) do()     {}
func (Vanish) do()     {}
func (Watch) do()      {}
func (Declare) do()    {}
func (AskRoster) do()  {}
func (AskUsers) do()   {}
func (Put) do()        {}
func (Store) do()      {}
func (Signal) do()     {}
func (Ask) do()        {}
func (Beat) do()       {}
func (Close) do()      {}
