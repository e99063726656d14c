package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/presence/internal/desk"
	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	reportWait = 3 * time.Second // bounds one report; gateways wait longer before they repeat it
	mostStands = 1000            // connections in one report
	mostText   = 256             // bytes of a status's text
	mostData   = 1024            // bytes of a status's data, and of a user's info
	mostRooms  = 1000            // rooms of one connection; gateways have a limit below it
	attempts   = 8               // at one record; a lost race means that another wrote
)

// errRefused is of a report that must not be repeated.
var errRefused = errors.New("the connection has ended")

// report stores how connections of a gateway stand. Each is stored or not by
// itself; the first tries are all under way at once. It answers when others
// were told, too: what a gateway reports next of a connection is then told as a
// change of its own, and not as one with this.
func (a *Answers) report(ctx context.Context, in wire.PresenceReport) (out wire.PresenceReported, err error) {
	if subject.Escape(in.Gateway) != in.Gateway || in.Gateway == "" || len(in.Connections) > mostStands {
		return out, &natsconn.Fault{Code: wire.Invalid, Text: fmt.Sprintf("want a gateway's id and at most %d connections", mostStands)}
	}
	if !a.desk.Whole() {
		return out, unavailable()
	}
	stands := make([]*standing, 0, len(in.Connections))
	for _, s := range in.Connections {
		if !valid(s) {
			out.Refused = append(out.Refused, s.Connection)
			continue
		}
		st := &standing{a: a, key: roster.Key{User: s.User, Gateway: in.Gateway, Conn: s.Connection}, stand: s}
		st.begin()
		stands = append(stands, st)
	}
	for _, st := range stands {
		st.complete(ctx)
	}
	for _, st := range stands {
		st.announce()
	}
	for _, st := range stands {
		switch err := st.end(ctx); {
		case err == nil:
			out.Sequence = max(out.Sequence, st.seq)
		case errors.Is(err, errRefused):
			out.Refused = append(out.Refused, st.stand.Connection)
		default:
			a.log.Debug("presence: report not stored", obs.Conn, st.stand.Connection, obs.Err, err)
			out.Failed = append(out.Failed, st.stand.Connection)
		}
	}
	for _, st := range stands {
		if st.err != nil {
			continue
		}
		if late := a.desk.Await(ctx, st.seq, st.stand.User); late != nil {
			a.log.Debug("presence: report stored, and not told yet", obs.Conn, st.stand.Connection, obs.Err, late)
		}
	}
	return out, nil
}

// valid reports whether a stand is one that can be stored and shown.
func valid(s wire.PresenceStand) bool {
	if !subject.ValidUser(s.User) || s.Connection == "" || subject.Escape(s.Connection) != s.Connection || s.Turn == 0 {
		return false
	}
	if len(s.Rooms) > mostRooms || len(s.Info) > mostData || len(s.Info) > 0 && !json.Valid(s.Info) || !utf8.Valid(s.Info) {
		return false
	}
	if slices.ContainsFunc(s.Rooms, func(room string) bool { _, err := subject.ParseRoom(room); return err != nil }) {
		return false
	}
	if s.Status == nil {
		return !s.Fresh
	}
	return slices.Contains([]string{wire.Online, wire.Away, wire.Busy, wire.Invisible}, s.Status.Status) &&
		len(s.Status.Text) <= mostText && len(s.Status.Data) <= mostData && utf8.Valid(s.Status.Data)
}

// standing is one connection of a report, on its way into the bucket.
type standing struct {
	a     *Answers
	key   roster.Key
	stand wire.PresenceStand

	was    roster.Stored
	after  uint64
	sure   bool           // the leader says so
	asks   bool           // the leader must be asked before it is judged
	answer *ledger.Answer // of the write under way; nil: there is none
	seq    uint64         // of what is stored
	err    error

	start  *ledger.Answer // of the record in HUB_CLIENTS
	before bool           // it must be there before the key is written
	lets   []*ledger.Answer
}

func (s *standing) subject() string {
	return s.a.tree.Key(subject.Here, s.key.String())
}

// begin tries for the first time, with what this replica knows.
func (s *standing) begin() {
	s.a.desk.Read(func(k desk.Known) {
		s.was.Record, s.after, s.was.There = k.Roster.Record(s.key)
	})
	s.try()
}

// try sends what becomes of the record, if anything does.
func (s *standing) try() {
	var status *wire.UserStatus
	var at int64
	s.a.desk.Read(func(k desk.Known) { status, at = k.Roster.Status(s.key.User) })
	rec, verdict := roster.Stand(s.was, s.stand, status, at, s.a.now().UnixMilli())
	switch verdict {
	case roster.Old:
		s.seq = s.after
	case roster.Ended:
		s.seq, s.asks = s.after, !s.sure
	case roster.Refused:
		s.err = errRefused
	case roster.Write:
		if s.before = s.start == nil && s.startsBefore(); s.before {
			s.start = s.record()
			return
		}
		s.answer = s.a.desk.Send(ledger.Record{Subject: s.subject(), Body: rec, After: s.after})
	}
}

// complete sees the write to its end: as long as it fails, what is there is
// asked of the leader, and judged anew.
func (s *standing) complete(ctx context.Context) {
	for range attempts {
		switch {
		case s.before:
			if _, s.err = s.start.Wait(ctx); s.err != nil {
				return
			}
			s.try()
			continue
		case s.answer != nil:
			if s.seq, s.err = s.answer.Wait(ctx); s.err == nil {
				return
			}
		case !s.asks:
			return
		}
		if s.answer, s.asks = nil, false; ctx.Err() != nil {
			return
		}
		if s.err = s.look(ctx); s.err == nil {
			s.try()
		}
	}
}

// look asks the leader what stands under the key. The marker of one that has
// ended holds its last record, but for the one that NATS writes.
func (s *standing) look(ctx context.Context) error {
	newest, err := s.a.desk.Newest(ctx, s.a.tree.BucketStream(subject.Here), s.subject())
	if err != nil {
		return err
	}
	s.after, s.was, s.sure = newest.Seq, roster.Stored{}, true
	if newest.Seq == 0 {
		return nil
	}
	s.was.Gone = kv.Gone(newest.Header)
	s.was.There = !s.was.Gone
	if len(newest.Value) == 0 {
		return nil
	}
	if err := json.Unmarshal(newest.Value, &s.was.Record); err != nil {
		s.was = roster.Stored{} // it is nobody's, and is written over
	}
	return nil
}

// announce records the start of a connection that is stored, and lets go what
// holds the user in rooms that were left: those an ended connection of the same
// user was in, as one who says that he leaves is not waited for.
func (s *standing) announce() {
	if s.err != nil || s.stand.End != nil || s.was.There && s.was.Record.End != nil && s.start == nil {
		return // of one that has ended no start comes any more
	}
	if s.start == nil && (s.stand.First || s.stand.Again) {
		s.start = s.record()
	}
	if !s.was.There {
		return
	}
	var left []string
	for _, room := range s.was.Record.Rooms {
		if !slices.Contains(s.stand.Rooms, room) {
			left = append(left, room)
		}
	}
	if len(left) > 0 {
		s.lets = s.a.desk.Forgo(s.key.User, left)
	}
}

// startsBefore reports whether a start must be recorded before what is written:
// that of one that has ended, since the end follows the key at once; and that of
// one that was swept and is held, even where its gateway does not say so yet, or
// it would end twice and have begun once.
func (s *standing) startsBefore() bool {
	return s.stand.First && s.stand.End != nil || s.revives()
}

// revives reports whether the connection was swept, and is held nonetheless.
func (s *standing) revives() bool {
	return s.stand.End == nil && s.was.Record.Swept && (s.was.Gone || s.was.Record.End != nil)
}

// record sends the start of a connection to HUB_CLIENTS. One that has ended is
// held no more, whatever became of the lease: its start is its first.
func (s *standing) record() *ledger.Answer {
	id, again := s.key.Conn+".start", s.stand.Again && s.stand.End == nil || s.revives()
	if again {
		id = fmt.Sprintf("%s.again.%d", s.key.Conn, s.stand.Turn)
	}
	return s.a.desk.Send(ledger.Record{
		Subject: s.a.tree.Client(subject.Connected), After: ledger.Any, ID: id,
		Body: wire.ClientRecord{
			Connection: s.key.Conn, User: s.key.User, Door: s.stand.Door, Gateway: s.key.Gateway, IP: s.stand.IP,
			At: s.stand.Since, Again: again,
		},
	})
}

// end waits for all that was sent, and returns why the connection's report must
// be repeated, if it must.
func (s *standing) end(ctx context.Context) error {
	if s.err == nil && s.start != nil {
		_, s.err = s.start.Wait(ctx)
	}
	for _, l := range s.lets {
		// If it fails, the grace tells the leave a little later.
		if seq, err := l.Wait(ctx); err == nil {
			s.seq = max(s.seq, seq)
		}
	}
	return s.err
}
