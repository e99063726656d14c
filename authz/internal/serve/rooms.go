package serve

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Bounds of one question. An answer is several times as long as its question,
// and must fit into one message of NATS.
const (
	MaxRooms = 1000 // in all
	MaxAsks  = 500  // in one question for many
)

// join answers for every room that is named. No rooms is a question too:
// whether anybody is here.
func (a *Answers) join(ctx context.Context, ask wire.JoinAsk) (wire.JoinAnswer, error) {
	if err := enough(len(ask.Rooms)); err != nil {
		return wire.JoinAnswer{}, err
	}
	if ask.AtLeast != nil {
		if err := a.await(ctx, *ask.AtLeast); err != nil {
			return wire.JoinAnswer{}, err
		}
	}
	return a.decide(ask)
}

// joins answers many questions, each as join would. One that join would refuse
// is answered with no rooms, which denies them, and leaves the others theirs.
func (a *Answers) joins(ctx context.Context, ask wire.JoinsAsk) (wire.JoinsAnswer, error) {
	rooms := 0
	for _, one := range ask.Asks {
		rooms += len(one.Rooms)
	}
	if err := enough(rooms); err != nil {
		return wire.JoinsAnswer{}, err
	}
	if len(ask.Asks) > MaxAsks {
		return wire.JoinsAnswer{}, &natsconn.Fault{Code: wire.TooMany, Text: fmt.Sprintf("at most %d in one question", MaxAsks)}
	}
	if err := a.await(ctx, ask.AtLeast); err != nil {
		return wire.JoinsAnswer{}, err
	}
	all := wire.JoinsAnswer{Answers: make([]wire.JoinAnswer, len(ask.Asks))}
	for i, one := range ask.Asks {
		answer, err := a.decide(one)
		if isUnavailable(err) {
			return wire.JoinsAnswer{}, err
		}
		if err != nil {
			a.log.Warn("authz: one of many questions cannot be answered", obs.Conn, one.Connection, obs.Err, err)
			answer = wire.JoinAnswer{Rooms: map[string]wire.RoomRights{}}
		}
		all.Answers[i] = answer
	}
	return all, nil
}

func enough(rooms int) error {
	if rooms > MaxRooms {
		return &natsconn.Fault{Code: wire.TooMany, Text: fmt.Sprintf("at most %d rooms in one question", MaxRooms)}
	}
	return nil
}

// decide answers one user's question.
func (a *Answers) decide(ask wire.JoinAsk) (wire.JoinAnswer, error) {
	answer := wire.JoinAnswer{Rooms: make(map[string]wire.RoomRights, len(ask.Rooms))}
	if len(ask.Rooms) == 0 {
		return answer, nil
	}
	if !subject.ValidUser(ask.User) {
		return answer, &natsconn.Fault{Code: wire.Invalid, Text: "user is none"}
	}
	claims, err := decode(ask.Claims)
	if err != nil {
		return answer, err
	}
	rooms := make([]subject.Room, 0, len(ask.Rooms))
	for _, name := range ask.Rooms {
		room, err := subject.ParseRoom(name)
		if err != nil {
			a.meter.Room(wire.Invalid)
			answer.Rooms[name] = wire.RoomRights{Code: wire.Invalid, Message: "no room: want type:id"}
			continue
		}
		rooms = append(rooms, room)
	}
	decisions, err := a.cfg.Book.Decide(ask.User, claims, rooms)
	if err != nil {
		return wire.JoinAnswer{}, unavailable(err)
	}
	for i, d := range decisions {
		a.meter.Room(d.Code)
		answer.Rooms[rooms[i].String()] = a.rights(d)
	}
	return answer, nil
}

// rights is a decision as it is told.
func (a *Answers) rights(d policy.Decision) wire.RoomRights {
	if d.Fault != nil {
		a.meter.Faults.Inc()
		a.log.Debug("authz: a rule denies, as it cannot be worked out", obs.Err, d.Fault)
	}
	return wire.RoomRights{Allow: len(d.Can) > 0, Can: d.Can, Code: d.Code, Message: d.Message}
}

// decode reads claims once for all rooms of a question.
func decode(raw map[string]json.RawMessage) (policy.Claims, error) {
	claims := make(policy.Claims, len(raw))
	for name, text := range raw {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, fmt.Errorf("authz: read claim: %w", err)
		}
		claims[name] = v
	}
	return claims, nil
}
