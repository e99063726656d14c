package serve

import (
	"context"
	"errors"

	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// connect says whose token it is. One that is revoked is told no more than any
// other that is not believed: who has stolen it learns nothing.
func (a *Answers) connect(ctx context.Context, ask wire.ConnectAsk) (wire.ConnectAnswer, error) {
	good, err := a.cfg.Tokens.Verify(ask.Token, a.cfg.Now())
	if err == nil {
		if err := a.cfg.Book.Whole(); err != nil {
			return wire.ConnectAnswer{}, unavailable(err)
		}
		if a.cfg.Book.Revoked(good.User, good.ID, good.IssuedAt) {
			err = &token.Refusal{Code: wire.Unauthorized, Message: "the token is revoked"}
		}
	}
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
