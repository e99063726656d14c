package policy

import (
	"errors"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// roomName is the type of the variable room, as messages of faults call it.
const roomName = "room"

// eval is one user in one room, as rules see it: where variables are looked up,
// and the value of the variable room at once. It carries what member(room)
// answers, as a function of CEL knows nothing but its arguments. It serves one
// decision and one goroutine.
type eval struct {
	ask   Ask
	knows bool // asked once, for all rules
	is    bool
}

func newEval(a Ask) *eval { return &eval{ask: a} }

func (e *eval) member() bool {
	if !e.knows {
		e.is, e.knows = e.ask.Member != nil && e.ask.Member(), true
	}
	return e.is
}

// ResolveName is a variable's value.
func (e *eval) ResolveName(name string) (any, bool) {
	switch name {
	case "user":
		return e.ask.User, true
	case "claims":
		return e.ask.Claims, true
	case roomName:
		return e, true
	}
	return nil, false
}

// Parent is none: there are no variables beside ours.
func (e *eval) Parent() interpreter.Activation { return nil }

// errOpaque is told to who wants a room as something else.
var errOpaque = errors.New("a room has a type and an id, and is nothing else")

// ConvertToNative refuses: no function that takes another value takes rooms.
func (e *eval) ConvertToNative(reflect.Type) (any, error) { return nil, errOpaque }

// ConvertToType refuses, likewise.
func (e *eval) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errOpaque) }

// Equal reports whether it is the same room: there is one in a decision.
func (e *eval) Equal(other ref.Val) ref.Val {
	o, ok := other.(*eval)
	return types.Bool(ok && o.ask.Room == e.ask.Room)
}

// Type is the type of rooms.
func (e *eval) Type() ref.Type { return types.NewObjectType(roomName) }

// Value is the room.
func (e *eval) Value() any { return e.ask.Room }

// provider adds the type of rooms to CEL's own, so that a field that rooms do
// not have is a fault of the rule, not one of a decision.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if name == roomName {
		return types.NewTypeTypeWithParam(types.NewObjectType(roomName)), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if name == roomName {
		return []string{"type", "id"}, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name != roomName {
		return p.Provider.FindStructFieldType(name, field)
	}
	var of func(subject.Room) string
	switch field {
	case "type":
		of = func(r subject.Room) string { return r.Type }
	case "id":
		of = func(r subject.Room) string { return r.ID }
	default:
		return nil, false
	}
	return &types.FieldType{
		Type:  types.StringType,
		IsSet: func(any) bool { return true },
		GetFrom: func(value any) (any, error) {
			if r, ok := value.(subject.Room); ok {
				return of(r), nil
			}
			return nil, errOpaque
		},
	}, true
}

// NewValue refuses: a rule is asked of one room, and makes up no other.
func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if name == roomName {
		return types.WrapErr(errOpaque)
	}
	return p.Provider.NewValue(name, fields)
}
