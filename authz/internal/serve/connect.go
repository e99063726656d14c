package serve

import (
	"context"
	"errors"

	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// connect says whose token it is. One that is revoked is told no more than any
// other that is not believed: who has stolen it learns nothing.
func (a *Answers) connect(ctx context.Context, ask wire.ConnectAsk) (wire.ConnectAnswer, error) {
	good, err := a.verify(ctx, ask.Token)
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

// verify judges a token; one that names a key that we do not know, once the
// issuer's keys were read again. While they were never read, nobody can say
// whether it is good.
func (a *Answers) verify(ctx context.Context, text string) (token.Verified, error) {
	good, err := a.cfg.Tokens.Verify(text, a.cfg.Now())
	var refused *token.Refusal
	if a.cfg.Published == nil || !errors.As(err, &refused) || !refused.UnknownKey {
		return good, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Behind)
	defer cancel()
	a.cfg.Published.Refresh(ctx)
	if a.cfg.Published.Ready() != nil {
		return token.Verified{}, &natsconn.Fault{Code: wire.Unavailable, Text: "the issuer's keys could not be read yet: ask again"}
	}
	return a.cfg.Tokens.Verify(text, a.cfg.Now())
}
