package session

import (
	"encoding/json"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/subject"
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

// Greet enters the connection's own rooms, tells it Hello with the position
// it has there, then what is in Then.
type Greet struct {
	Hello frame.Connected
	Rooms []subject.Room
	Then  []frame.Out
}

// Enter puts the client into rooms and tells it Reply with the position it
// has there. Rooms of Reply are Rooms, in this order; those that it is in
// already are told anew.
type Enter struct {
	Ref   frame.Ref
	Rooms []subject.Room
	Reply frame.Subscribed
}

// Leave takes the client out of rooms.
type Leave struct{ Rooms []subject.Room }

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
func (Leave) do()      {}
func (Store) do()      {}
func (Signal) do()     {}
func (Ask) do()        {}
func (Beat) do()       {}
func (Close) do()      {}
