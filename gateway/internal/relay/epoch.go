package relay

import (
	"strconv"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// The log's epoch, as clients know it, is the stream's own and the place of
// the last mark. A mark is an event of a room that nobody can enter: a gateway
// that finds the stream's end below what it has heard, so that offsets will be
// used again, stores one. All gateways hear it in its place, those that were
// too far behind to notice and those that start later too, so they agree that
// positions from before it mean nothing any more.
//
// A mark ages like any event. By then all events from before it are gone too,
// so no position of theirs can be recovered.

// marks is the room of marks.
func marks() subject.Room { return subject.Room{Type: subject.All().Type, ID: "epoch"} }

// epoch is the log's epoch in the words of clients, given the stream's.
func (r *Relay) epoch(base string) string {
	if mark := r.mark.Load(); mark != 0 {
		return base + "." + strconv.FormatUint(mark, 36)
	}
	return base
}

// findMark asks the leader for the last mark.
func (r *Relay) findMark() error {
	var last struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	ask := map[string]any{"last_by_subj": r.tree.Event(marks())}
	if err := askStream(r.nc, subject.LeaderGet(r.tree.Stream(subject.Events)), ask, &last); err != nil {
		return err
	}
	r.mark.Store(last.Message.Seq)
	return nil
}

// marked hears a mark.
func (r *Relay) marked(e follow.Entry) {
	r.mark.Store(e.Seq)
	base, _ := r.follower.Position()
	r.trails.begin(base, e.Seq) // before it, offsets may have been used twice
	r.begin(frame.Position{Epoch: r.epoch(base), Offset: e.Seq})
}

// begin ends all connections: what they have heard and what follows do not
// join.
func (r *Relay) begin(at frame.Position) {
	r.rooms.Skip(at, nil, farewell("the log of events begins anew: come back and reload"), frame.Restart)
}

// fell finds that the stream has lost its end. If another gateway has stored a
// mark of that already, it holds here too; else one is stored, and until it is
// heard what is told here belongs to an epoch of its own. While that is found
// out nothing is handed over.
func (r *Relay) fell(base string, last uint64) {
	before := r.mark.Load()
	if err := r.findMark(); err != nil {
		r.log.Warn("relay: the mark of the log's epoch is not known", obs.Err, err)
	} else if mark := r.mark.Load(); mark != 0 && mark != before {
		r.begin(frame.Position{Epoch: r.epoch(base), Offset: last})
		return
	}
	r.begin(frame.Position{Epoch: base + "." + r.cfg.Gateway + strconv.FormatInt(time.Now().UnixNano(), 36), Offset: last})
	// All gateways that notice store one mark: they know the same one before.
	id := "mark." + base + "." + strconv.FormatUint(r.mark.Load(), 36)
	mark := Outgoing{Room: marks(), Event: frame.Event{Name: "epoch", Data: []byte(`{}`)}, ID: id}
	r.attempt(mark, time.Now().Add(markWait), func(_ uint64, p frame.Problem) {
		if p.Is() {
			r.log.Error("relay: the log's new epoch is not stored: run hubmesh setup --new-epoch", obs.Err, p.Message)
		}
	})
}

// markWait is how long it is tried to store a mark: longer than a stream is
// without a leader.
const markWait = time.Minute
