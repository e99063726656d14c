package wire

import "encoding/json"

// Statuses of a user. Who is invisible is offline to others.
const (
	Online    = "online"
	Away      = "away"
	Busy      = "busy"
	Invisible = "invisible"
	Offline   = "offline" // only told, of one who has left
)

// Change says what a presence:update tells of a user.
type Change string

// The changes.
const (
	Joined  Change = "join"
	Left    Change = "leave"
	Changed Change = "status"
)

// PresenceReport says how connections of one gateway stand. Gateway →
// hub.int.presence.report.
//
// The gateway reports a connection when it begins, when its rooms with
// presence or its status change, and when it ends; an idle one never. It
// repeats a report that was not answered, or a connection that the answer
// calls failed, with the same turn or a later one; of one connection at most
// one report is under way. What nobody has answered at all was perhaps stored.
type PresenceReport struct {
	Gateway     string          `json:"gateway"`
	Connections []PresenceStand `json:"connections"`
}

// PresenceStand is one connection as it stands now: not what has changed, but
// the whole, so that reports may be repeated, and written anew by a gateway
// whose lease had ended.
type PresenceStand struct {
	Connection string          `json:"connection"`
	User       string          `json:"user"`
	Turn       uint64          `json:"turn"` // from 1, rising with each thing there is to report of this connection
	Door       string          `json:"door"`
	IP         string          `json:"ip"`
	Since      int64           `json:"since"`          // unix ms; when it began
	Info       json.RawMessage `json:"info,omitempty"` // the token's claim of that name
	Rooms      []string        `json:"rooms,omitempty"`

	// Status is what its client last said of its user; nil when it has said
	// nothing. Fresh says that this was said at this turn; it is then the
	// user's newest.
	Status *UserStatus `json:"status,omitempty"`
	Fresh  bool        `json:"fresh,omitempty"`

	// First says that no report of this connection was answered yet, and Again
	// that the gateway's lease had ended and it holds the connection
	// nonetheless: its start is recorded in HUB_CLIENTS.
	First bool `json:"first,omitempty"`
	Again bool `json:"again,omitempty"`

	// End says that the connection has ended. Nothing comes after that.
	End *PresenceEnd `json:"end,omitempty"`
}

// UserStatus is what a user says of himself by status:change.
type UserStatus struct {
	Status string          `json:"status"`
	Text   string          `json:"text,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// PresenceEnd says how a connection ended. With Grace its user may come back
// for 5 s without having left.
type PresenceEnd struct {
	At     int64  `json:"at"` // unix ms
	Reason string `json:"reason,omitempty"`
	Grace  bool   `json:"grace,omitempty"`
}

// PresenceReported answers PresenceReport. All but Failed is stored.
type PresenceReported struct {
	Sequence uint64   `json:"sequence"`          // for PresenceRoomAsk.AtLeast: an answer from there on knows this report
	Failed   []string `json:"failed,omitempty"`  // connections to be reported again
	Refused  []string `json:"refused,omitempty"` // connections whose report is faulty, or that had ended before: not to be repeated
}

// PresenceRecord is what presence keeps of a connection in HUB_PRESENCE, under
// <user>.<gateway>.<connection>. Presence alone reads and writes it.
type PresenceRecord struct {
	Turn     uint64          `json:"turn"`
	Door     string          `json:"door"`
	IP       string          `json:"ip"`
	Since    int64           `json:"since"` // unix ms
	Info     json.RawMessage `json:"info,omitempty"`
	Rooms    []string        `json:"rooms,omitempty"`
	Status   *UserStatus     `json:"status,omitempty"`
	StatusAt int64           `json:"statusAt,omitempty"` // of a user's records the highest has the status; about unix ms
	End      *PresenceEnd    `json:"end,omitempty"`
	Told     bool            `json:"told,omitempty"`  // the end is in HUB_CLIENTS
	Swept    bool            `json:"swept,omitempty"` // it ended with its gateway's lease: a later turn counts
}

// PresenceUpdate is the data of presence:update, as clients hear it. Without
// Room it is told to who watches the user.
type PresenceUpdate struct {
	Room        string          `json:"room,omitempty"`
	User        string          `json:"user"`
	Status      string          `json:"status"`
	Connections int             `json:"connections"`
	Change      Change          `json:"change"`
	Info        json.RawMessage `json:"info,omitempty"`
	Text        string          `json:"text,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
}

// PresenceTold is what presence keeps in HUB_TOLD of a user in a room, or in
// the mesh, and what gateways hear of it on hub.told.>: they pass the update on
// to members who asked for presence, and gather where Users is above 1,000.
type PresenceTold struct {
	PresenceUpdate
	Users int `json:"users,omitempty"` // in the room, after the change

	// Presence's own: up to where it knew which HUB_PRESENCE.
	Epoch string `json:"epoch"`
	Log   uint64 `json:"log"`
}

// PresenceRoomAsk asks who is in a room's roster. Anyone → hub.svc.presence.room.
type PresenceRoomAsk struct {
	Room  string `json:"room"`
	After string `json:"after,omitempty"` // users that sort behind this one; empty: from the first
	Limit int    `json:"limit,omitempty"` // 0: 200; at most 200

	// What gateways add: User is the asker, who sees himself also when he is
	// invisible, and AtLeast the Sequence of his own report, which the answer
	// must know.
	User    string `json:"user,omitempty"`
	AtLeast uint64 `json:"atLeast,omitempty"`
}

// PresenceRoomAnswer answers PresenceRoomAsk, in the order of the users' names.
type PresenceRoomAnswer struct {
	Users  []PresenceUser `json:"users"`
	Counts PresenceCounts `json:"counts"`
	Next   string         `json:"next,omitempty"` // there are more: ask with After

	// Epoch and Told are the position in HUB_TOLD up to which the answer
	// knows all: what gateways hear above it comes after the answer.
	Epoch string `json:"epoch"`
	Told  uint64 `json:"told"`
}

// PresenceCountAsk asks how many are in a room. Anyone →
// hub.svc.presence.count.
type PresenceCountAsk struct {
	Room string `json:"room"`
}

// PresenceCounts answers it.
type PresenceCounts struct {
	Users       int `json:"users"`
	Connections int `json:"connections"`
}

// PresenceUsersAsk asks which of some users are here, at most 200. Anyone →
// hub.svc.presence.users. With For, only those who are in a room's roster with
// that user, and himself.
type PresenceUsersAsk struct {
	Users []string `json:"users"`
	For   string   `json:"for,omitempty"`
}

// PresenceUsersAnswer answers it, in the order of the ask. Who is not in it is
// offline.
type PresenceUsersAnswer struct {
	Users []PresenceUser `json:"users"`
}

// PresenceUser is a user who is here.
type PresenceUser struct {
	User        string          `json:"user"`
	Info        json.RawMessage `json:"info,omitempty"`
	Status      string          `json:"status"`
	Text        string          `json:"text,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Connections int             `json:"connections"` // in the room that was asked for; 0: in grace
	Since       int64           `json:"since"`       // unix ms; when the oldest of these connections began
	LastSeen    int64           `json:"lastSeen"`    // unix ms; now, or in grace when the last one ended
}

// ClientRecord is the start or the end of a connection in HUB_CLIENTS, for
// backends.
type ClientRecord struct {
	Connection string `json:"connection"`
	User       string `json:"user"`
	Door       string `json:"door"`
	Gateway    string `json:"gateway"`
	IP         string `json:"ip"`
	At         int64  `json:"at"`               // unix ms
	Reason     string `json:"reason,omitempty"` // of an end
	Again      bool   `json:"again,omitempty"`  // of a start: the gateway lost its lease, and holds the connection nonetheless
}
