package subject

import "strings"

// Report is where gateways tell presence how their connections stand.
func (t Tree) Report() string { return t.sub("int.presence.report") }

// Tell is where presence records what it tells of a user in a room, and of a
// user in the whole mesh where room is the zero Room: one message each is
// kept, the newest.
func (t Tree) Tell(r Room, user string) string { return t.sub("int." + told(r, user)) }

// Told is where the same is heard once it is stored. Nobody but the server
// says it.
func (t Tree) Told(r Room, user string) string { return t.sub(told(r, user)) }

func told(r Room, user string) string {
	if r == (Room{}) {
		return "told.user." + Escape(user)
	}
	return "told.room." + r.Key() + "." + Escape(user)
}

// TellAll is what the log of what was told captures: hub.int.told.>.
func (t Tree) TellAll() string { return t.sub("int.told.>") }

// ToldAll is where all that was told is heard: hub.told.>.
func (t Tree) ToldAll() string { return t.sub("told.>") }

// Client is where a connection's start ("connected") and end ("disconnected")
// are recorded.
func (t Tree) Client(what string) string { return t.sub("client." + what) }

// ClientAll is both.
func (t Tree) ClientAll() string { return t.Client("*") }

// What Client records.
const (
	Connected    = "connected"
	Disconnected = "disconnected"
)

func (t Tree) presenceFamilies() []Family {
	return []Family{
		{
			t.Report(), Asked,
			[]string{Gateway}, []string{Presence},
			"how connections of a gateway stand, many in one request; the answer says what is stored",
		},
		{
			t.Svc(Presence, "room"), Asked,
			[]string{Gateway, Backend}, []string{Presence},
			"who is in a room, 200 at a time, and how many",
		},
		{
			t.Svc(Presence, "users"), Asked,
			[]string{Gateway, Backend}, []string{Presence},
			"which of these users are here",
		},
		{
			t.Svc(Presence, "count"), Asked,
			[]string{Gateway, Backend}, []string{Presence},
			"how many are in a room",
		},
		{
			t.Key(Here, "<user>.<gateway>.<connection>"), Record,
			[]string{Presence}, nil,
			"a connection as it stands: its rooms with presence, its status, its end",
		},
		{
			t.Heard(Here, "<user>.<gateway>.<connection>"), Heard,
			nil, []string{Presence},
			"the same once it is stored, and its end",
		},
		{
			t.sub("int.told.<what…>"), Record,
			[]string{Presence}, nil,
			"what is told of a user, in `" + t.Stream(Tellings) + "`: to a room's members at `room.<type>.<id>.<user>`, to a user's watchers at `user.<user>`",
		},
		{
			t.sub("told.<what…>"), Heard,
			nil, []string{Presence, Gateway},
			"the same once it is stored",
		},
		{
			t.Client("<what>"), Record,
			[]string{Presence}, nil,
			"`" + Connected + "` and `" + Disconnected + "`: the start and the end of every connection, in `" + t.Stream(Clients) + "`",
		},
	}
}

// consumes is what reading a stream at one's own pace takes, by a durable
// consumer.
func consumes(stream string) []string {
	return []string{
		StreamInfo(stream),
		"$JS.API.CONSUMER.CREATE." + stream + ".>", "$JS.API.CONSUMER.INFO." + stream + ".>",
		"$JS.API.CONSUMER.MSG.NEXT." + stream + ".>", "$JS.ACK." + stream + ".>",
	}
}

// ParseTell reads a subject of Tell back. The room is the zero Room where a
// user is told of in the mesh. It reports false for any other subject.
func (t Tree) ParseTell(subject string) (r Room, user string, ok bool) {
	what, ok := strings.CutPrefix(subject, t.sub("int.told."))
	if !ok {
		return Room{}, "", false
	}
	scope, rest, _ := strings.Cut(what, ".")
	switch scope {
	case "user":
		user, ok = Unescape(rest)
		return Room{}, user, ok
	case "room":
		i := strings.LastIndexByte(rest, '.')
		if i < 0 {
			return Room{}, "", false
		}
		if r, ok = ParseKey(rest[:i]); !ok {
			return Room{}, "", false
		}
		user, ok = Unescape(rest[i+1:])
		return r, user, ok
	}
	return Room{}, "", false
}

// TellKey takes the room's two tokens (Room.Key) out of a subject of Tell; mesh
// says that a user is told of in the mesh, and then it is the key of the user's
// own room. It does not judge their spelling, as RoomKey does not.
func (t Tree) TellKey(subject string) (key string, mesh, ok bool) {
	p := t.Prefix()
	what, ok := strings.CutPrefix(subject, p)
	if ok {
		what, ok = strings.CutPrefix(what, ".int.told.")
	}
	if !ok {
		return "", false, false
	}
	// told.user.<user> has the two tokens of the user's room.
	if strings.HasPrefix(what, userType+".") {
		return what, true, strings.Count(what, ".") == 1
	}
	what, ok = strings.CutPrefix(what, "room.")
	last := strings.LastIndexByte(what, '.')
	if !ok || last < 0 {
		return "", false, false
	}
	return what[:last], false, strings.Count(what[:last], ".") == 1
}
