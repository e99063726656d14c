package serve

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hubmesh/hubmesh/presence/internal/desk"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// page is how many users are told at once.
const page = 200

// room answers who is in a room: those others were told of up to a position in
// HUB_TOLD, so that what is told above it is what comes after.
func (a *Answers) room(ctx context.Context, in wire.PresenceRoomAsk) (out wire.PresenceRoomAnswer, err error) {
	if err := validRoom(in.Room); err != nil {
		return out, err
	}
	if in.AtLeast > 0 {
		if err := a.desk.Await(ctx, in.AtLeast, in.User); err != nil {
			return out, unavailable()
		}
	}
	limit := page
	if in.Limit > 0 && in.Limit < page {
		limit = in.Limit
	}
	now := a.now()
	whole := a.desk.Read(func(k desk.Known) {
		out.Epoch, out.Told = k.Told.Epoch, k.Told.Seq
		out.Users, out.Next = list(k, in, limit, now)
		out.Counts = counts(k, in.Room)
	})
	if !whole {
		return wire.PresenceRoomAnswer{}, unavailable()
	}
	return out, nil
}

// list is a page of a room's users, as they were told to be. Who asks is in it
// though he be invisible.
func list(k desk.Known, in wire.PresenceRoomAsk, limit int, now time.Time) (users []wire.PresenceUser, next string) {
	users = []wire.PresenceUser{}
	self, hidden := k.Roster.Of(roster.Touch{Room: in.Room, User: in.User})
	hidden = hidden && self.Status == wire.Invisible && in.User > in.After
	for name, face := range k.View.After(in.Room, in.After) {
		if hidden && in.User <= name && len(users) < limit {
			users, hidden = append(users, shown(in.User, self, now)), false
			if in.User == name { // he has just become so
				continue
			}
		}
		if len(users) == limit {
			return users, users[limit-1].User
		}
		s, here := k.Roster.Of(roster.Touch{Room: in.Room, User: name})
		if !here { // he has just left, and nobody was told yet
			s = roster.Seen{Since: now.UnixMilli()}
		}
		s.Face = face
		users = append(users, shown(name, s, now))
	}
	if hidden && len(users) < limit {
		users = append(users, shown(in.User, self, now))
	}
	return users, ""
}

func shown(name string, s roster.Seen, now time.Time) wire.PresenceUser {
	u := wire.PresenceUser{
		User: name, Status: s.Status, Text: s.Text, Connections: s.Connections, Since: s.Since, LastSeen: s.Ended,
	}
	if s.Ended == 0 {
		u.LastSeen = now.UnixMilli()
	}
	if s.Data != "" {
		u.Data = json.RawMessage(s.Data)
	}
	if s.Info != "" {
		u.Info = json.RawMessage(s.Info)
	}
	return u
}

func counts(k desk.Known, room string) wire.PresenceCounts {
	return wire.PresenceCounts{Users: k.View.Len(room), Connections: k.Roster.Connections(room)}
}

// count answers how many are in a room.
func (a *Answers) count(_ context.Context, in wire.PresenceCountAsk) (out wire.PresenceCounts, err error) {
	if err := validRoom(in.Room); err != nil {
		return out, err
	}
	if !a.desk.Read(func(k desk.Known) { out = counts(k, in.Room) }) {
		return out, unavailable()
	}
	return out, nil
}

// users answers which of some users are here.
func (a *Answers) users(_ context.Context, in wire.PresenceUsersAsk) (out wire.PresenceUsersAnswer, err error) {
	if len(in.Users) > page {
		return out, &natsconn.Fault{Code: wire.Invalid, Text: "want at most 200 users"}
	}
	out.Users = []wire.PresenceUser{}
	now := a.now()
	whole := a.desk.Read(func(k desk.Known) {
		for _, name := range in.Users {
			if in.For != "" && !k.Roster.Together(in.For, name) {
				continue
			}
			s, here := k.Roster.Of(roster.Touch{User: name})
			if here && (s.Status != wire.Invisible || name == in.For) {
				out.Users = append(out.Users, shown(name, s, now))
			}
		}
	})
	if !whole {
		return wire.PresenceUsersAnswer{}, unavailable()
	}
	return out, nil
}

func validRoom(name string) error {
	if _, err := subject.ParseRoom(name); err != nil {
		return &natsconn.Fault{Code: wire.Invalid, Text: "want a room, type:id"}
	}
	return nil
}

func unavailable() error {
	return &natsconn.Fault{Code: wire.Unavailable, Text: "presence " + errBehind.Error()}
}
