// Package serve answers gateways on NATS: who a client is, and what a user may
// do in rooms.
//
// It decides nothing: token judges tokens, policy judges rooms. It keeps
// nothing between two questions, so any replica answers any of them.
package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// MaxRooms is how many rooms one question may name. An answer is several times
// as long as its question, and must fit into one message of NATS.
const MaxRooms = 1000

// answerWait bounds one answer. It is computed in microseconds.
const answerWait = 5 * time.Second

// Config is what answers are made with. All fields but Policy must be set.
type Config struct {
	Tree   subject.Tree
	Tokens *token.Verifier
	Policy policy.Policy
	Now    func() time.Time
}

// Answers is one replica that answers.
type Answers struct {
	cfg   Config
	nc    *nats.Conn
	svc   *natsconn.Answerer
	meter *meter.Meter
	log   *slog.Logger
}

// Listen returns when NATS sends questions here.
func Listen(ctx context.Context, nc *nats.Conn, cfg Config, m *meter.Meter, log *slog.Logger) (*Answers, error) {
	svc, err := natsconn.Service(nc, subject.Authz, "who may connect, and what users may do in rooms", log)
	if err != nil {
		return nil, err
	}
	a := &Answers{cfg: cfg, nc: nc, svc: svc, meter: m, log: log}
	err = errors.Join(
		natsconn.Answer(ctx, svc, "connect", cfg.Tree.Svc(subject.Authz, "connect"), answerWait, a.connect),
		natsconn.Answer(ctx, svc, "join", cfg.Tree.Svc(subject.Authz, "join"), answerWait, a.join),
	)
	if err == nil {
		err = a.Ready(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, svc.Stop())
	}
	return a, nil
}

// Ready returns nil when NATS carries what we say: all it takes to answer.
func (a *Answers) Ready(ctx context.Context) error {
	return natsconn.Flush(ctx, a.nc)
}

// Serve answers until ctx ends and the questions under way are answered.
func (a *Answers) Serve(ctx context.Context) error {
	<-ctx.Done()
	return a.svc.Stop()
}

func (a *Answers) connect(_ context.Context, ask wire.ConnectAsk) (wire.ConnectAnswer, error) {
	good, err := a.cfg.Tokens.Verify(ask.Token, a.cfg.Now())
	var refused *token.Refusal
	switch {
	case errors.As(err, &refused):
		a.meter.Connect(refused.Code)
		a.log.Debug("authz: token refused", obs.Door, ask.Door, obs.Err, refused)
		return wire.ConnectAnswer{Code: refused.Code, Message: refused.Message}, nil
	case err != nil:
		return wire.ConnectAnswer{}, err
	}
	a.meter.Connect("")
	answer := wire.ConnectAnswer{Allow: true, User: good.User, Claims: good.Claims}
	if !good.ExpiresAt.IsZero() {
		answer.ExpiresAt = good.ExpiresAt.UnixMilli()
	}
	return answer, nil
}

// join answers for every room that is named. No rooms is a question too:
// whether anybody is here.
func (a *Answers) join(_ context.Context, ask wire.JoinAsk) (wire.JoinAnswer, error) {
	answer := wire.JoinAnswer{Rooms: make(map[string]wire.RoomRights, min(len(ask.Rooms), MaxRooms))}
	if len(ask.Rooms) == 0 {
		return answer, nil
	}
	if len(ask.Rooms) > MaxRooms {
		return answer, &natsconn.Fault{Code: wire.TooMany, Text: fmt.Sprintf("at most %d rooms in one question", MaxRooms)}
	}
	if !subject.ValidUser(ask.User) {
		return answer, &natsconn.Fault{Code: wire.Invalid, Text: "user is none"}
	}
	claims, err := decode(ask.Claims)
	if err != nil {
		return answer, err
	}
	for _, name := range ask.Rooms {
		rights := a.rights(ask.User, claims, name)
		a.meter.Room(rights.Code)
		answer.Rooms[name] = rights
	}
	return answer, nil
}

func (a *Answers) rights(user string, claims policy.Claims, name string) wire.RoomRights {
	room, err := subject.ParseRoom(name)
	if err != nil {
		return wire.RoomRights{Code: wire.Invalid, Message: "no room: want type:id"}
	}
	d := a.cfg.Policy.Decide(policy.Ask{User: user, Claims: claims, Room: room})
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
