package here

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// heard takes what presence tells for a Here.
type heard struct{ h *Here }

// Entry passes on what was told of a user, to those who are here to hear it. The
// rest is not read.
func (t heard) Entry(e follow.Entry) {
	h := t.h
	if h.cfg.Gate != nil {
		h.cfg.Gate.Wait()
	}
	read := func() (m wire.PresenceTold, ok bool) {
		if len(e.Data) == 0 { // the word itself has gone
			return m, false
		}
		if err := json.Unmarshal(e.Data, &m); err != nil {
			h.log.Warn("here: word of presence cannot be read", obs.Subject, e.Subject, obs.Err, err)
			return m, false
		}
		return m, true
	}
	key, mesh, ok := h.tree.TellKey(e.Subject)
	switch {
	case !ok:
		h.hall.Skip(e.Seq)
	case mesh:
		h.hall.User(e.Seq, key, read)
	case h.hall.Room(e.Seq, key, h.cfg.Now(), read):
		h.rouse()
	}
}

// Gone says that words can no longer be read. There are newer ones on the same
// users, which come.
func (t heard) Gone(_, to uint64) { t.h.hall.Skip(to) }

// comeBack is over how long clients that are all dismissed at once are asked to
// spread their return.
const comeBack = 5 * time.Second

// Reset ends the connections that were told rosters: what they missed cannot be
// told any more.
func (t heard) Reset(epoch string, last uint64, why follow.Why) {
	t.h.log.Warn("here: what was told of users begins anew", "why", string(why))
	t.h.hall.Reset(epoch, last, func(n, of int) frame.Event {
		return frame.Shutdown("presence has begun anew: come back", comeBack*time.Duration(n)/time.Duration(of))
	}, frame.Restart)
}

// Page does not wait: what is told of users is little beside events.
func (heard) Page(context.Context) {}
