package frame

import "encoding/json"

// In is what a client asks. Exactly the types in this file are In.
//
//sumtype:decl
type In interface{ in() }

// Auth brings a token in the first frame.
type Auth struct {
	Ref   Ref
	Token string
	Since *Position
}

// Subscribe asks to enter rooms.
type Subscribe struct {
	Ref      Ref
	Rooms    []RoomAsk
	Presence bool // be in their rosters, and hear of them
}

// RoomAsk is one room of a Subscribe, as the client wrote it.
type RoomAsk struct {
	Room  string
	Since *Position
	Last  int
}

// Unsubscribe leaves rooms.
type Unsubscribe struct {
	Ref   Ref
	Rooms []string
}

// Publish sends an event to a room.
type Publish struct {
	Ref     Ref
	Room    string
	Event   string
	Data    []byte // JSON, or bytes with Binary
	Binary  bool
	Durable bool
	Key     string // names a durable event, so that a repeated one is stored once
	Echo    bool   // the sending connection hears it too
}

// Call is an event of the application's own, asked of a backend.
type Call struct {
	Ref   Ref
	Event string
	Data  json.RawMessage
}

// Refresh brings a newer token for the same user.
type Refresh struct {
	Ref   Ref
	Token string
}

// History asks for a page of a room's past.
type History struct {
	Ref    Ref
	Room   string
	Before uint64 // offset; 0: from the newest on
	Limit  int    // events at most
}

// Status says how the client's user is.
type Status struct {
	Ref    Ref
	Status string
	Text   string
	Data   json.RawMessage // an object, or nil
}

// Typing says that the user writes in a room, or has stopped.
type Typing struct {
	Ref     Ref
	Room    string
	Stopped bool
}

// Roster asks who is here: in a room, from a user's name on, or which of some
// users.
type Roster struct {
	Ref   Ref
	Room  string // "": Users are asked for
	After string // users that sort behind this one
	Users []string
}

// Heartbeat asks for the time and the position.
type Heartbeat struct{ Ref Ref }

// Wrong is a frame that could be read and asks for something impossible. Text
// says what was expected.
type Wrong struct {
	Ref  Ref
	Text string
}

// Malformed is a frame that could not be read. Many of them end the
// connection.
type Malformed struct {
	Ref  Ref
	Text string
}

// Broken is a breach of the protocol after which nothing more can be
// understood; the connection ends with End.
type Broken struct{ End End }

func (Auth) in()        {}
func (Subscribe) in()   {}
func (Unsubscribe) in() {}
func (Publish) in()     {}
func (Call) in()        {}
func (Refresh) in()     {}
func (History) in()     {}
func (Status) in()      {}
func (Typing) in()      {}
func (Roster) in()      {}
func (Heartbeat) in()   {}
func (Wrong) in()       {}
func (Malformed) in()   {}
func (Broken) in()      {}

// RefOf is the ask's own Ref.
func RefOf(ask In) Ref {
	switch a := ask.(type) {
	case Auth:
		return a.Ref
	case Subscribe:
		return a.Ref
	case Unsubscribe:
		return a.Ref
	case Publish:
		return a.Ref
	case Call:
		return a.Ref
	case Refresh:
		return a.Ref
	case History:
		return a.Ref
	case Status:
		return a.Ref
	case Typing:
		return a.Ref
	case Roster:
		return a.Ref
	case Heartbeat:
		return a.Ref
	case Wrong:
		return a.Ref
	case Malformed:
		return a.Ref
	case Broken:
		return Ref{}
	}
	panic("frame: an In without a case")
}
