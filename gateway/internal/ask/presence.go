package ask

import (
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Gateways asks presence which gateways live.
func (a *Asker) Gateways(answer func(wire.GatewaysAnswer, frame.Problem)) {
	put(a, question{who: meter.Presence, subject: a.tree.Svc(subject.Presence, "gateways"), body: struct{}{}, wait: a.cfg.DecideWait}, answer)
}

// Report tells presence how connections stand. The problem's code is no_handler
// when it is sure that nobody has heard it.
func (a *Asker) Report(r wire.PresenceReport, answer func(wire.PresenceReported, frame.Problem)) {
	put(a, question{who: meter.Presence, subject: a.tree.Report(), body: r, wait: a.cfg.ReportWait, optional: true}, answer)
}

// Room asks presence who is in a room.
func (a *Asker) Room(ask wire.PresenceRoomAsk, answer func(wire.PresenceRoomAnswer, frame.Problem)) {
	put(a, question{who: meter.Presence, subject: a.tree.Svc(subject.Presence, "room"), body: ask, wait: a.cfg.ReportWait}, answer)
}

// Users asks presence which of some users are here.
func (a *Asker) Users(ask wire.PresenceUsersAsk, answer func(wire.PresenceUsersAnswer, frame.Problem)) {
	put(a, question{who: meter.Presence, subject: a.tree.Svc(subject.Presence, "users"), body: ask, wait: a.cfg.DecideWait}, answer)
}
