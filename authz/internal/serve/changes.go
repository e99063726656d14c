package serve

import (
	"context"
	"errors"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// touched says whom changes concern, once all of them are read.
func (a *Answers) touched(ctx context.Context, ask wire.TouchedAsk) (wire.TouchedAnswer, error) {
	if err := a.await(ctx, ask.UpTo); err != nil {
		return wire.TouchedAnswer{}, err
	}
	answer := a.cfg.Book.Touched(ask.After)
	a.meter.Touched(answer.All)
	return answer, nil
}

// explain says what decided. It is for people, and is not counted.
func (a *Answers) explain(_ context.Context, ask wire.ExplainAsk) (wire.ExplainAnswer, error) {
	room, err := subject.ParseRoom(ask.Room)
	if err != nil {
		return wire.ExplainAnswer{}, &natsconn.Fault{Code: wire.Invalid, Text: "no room: want type:id"}
	}
	if !subject.ValidUser(ask.User) {
		return wire.ExplainAnswer{}, &natsconn.Fault{Code: wire.Invalid, Text: "user is none"}
	}
	claims, err := decode(ask.Claims)
	if err != nil {
		return wire.ExplainAnswer{}, err
	}
	d, why, err := a.cfg.Book.Explain(ask.User, claims, room)
	if err != nil {
		return wire.ExplainAnswer{}, unavailable(err)
	}
	return wire.ExplainAnswer{
		Rights: wire.RoomRights{Allow: len(d.Can) > 0, Can: d.Can, Code: d.Code, Message: d.Message},
		Why:    why,
	}, nil
}

// isUnavailable reports whether the asker should ask again, or another.
func isUnavailable(err error) bool {
	var f *natsconn.Fault
	return errors.As(err, &f) && f.Code == wire.Unavailable
}
