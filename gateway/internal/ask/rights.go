package ask

import (
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Touched asks authz whom changes of rights may concern. The problem's code is
// no_handler when nobody answers such questions: an authz of one's own need
// not.
func (a *Asker) Touched(ask wire.TouchedAsk, answer func(wire.TouchedAnswer, frame.Problem)) {
	put(a, question{who: meter.Authz, subject: a.tree.Svc(subject.Authz, "touched"), body: ask, wait: a.cfg.DecideWait, optional: true}, answer)
}

// Joins asks authz what many may do in rooms, when their rights may have
// changed; no_handler as with Touched. The answers are as many as the asks.
func (a *Asker) Joins(ask wire.JoinsAsk, answer func([]wire.JoinAnswer, frame.Problem)) {
	put(a, question{who: meter.Authz, subject: a.tree.Svc(subject.Authz, "joins"), body: ask, wait: a.cfg.DecideWait, optional: true},
		func(out wire.JoinsAnswer, p frame.Problem) {
			if !p.Is() && len(out.Answers) != len(ask.Asks) {
				p = frame.Problem{Code: wire.Unavailable, Message: "authz does not answer all that it was asked"}
			}
			answer(out.Answers, p)
		})
}
