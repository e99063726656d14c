package wire

// CtlVerb is what a backend has done to connections.
type CtlVerb string

// The verbs.
const (
	CtlGet   CtlVerb = "get"   // tell of them
	CtlClose CtlVerb = "close" // end them
	CtlJoin  CtlVerb = "join"  // put them into a room
	CtlLeave CtlVerb = "leave" // take them out of one
)

// CtlVerbs is all of them.
func CtlVerbs() []CtlVerb { return []CtlVerb{CtlGet, CtlClose, CtlJoin, CtlLeave} }

// CtlAsk is what a backend wants done to connections, or told of them: those
// of a user, one, or all in a room. Backend → hub.ctl.conn.get, .close, .join,
// .leave, and gateway → all gateways, hub.gw.ctl.<verb>. Exactly one of
// Connection, User and, for get and close, Room says which; for join and leave
// Room is the one to be put into or taken out of.
type CtlAsk struct {
	Connection string `json:"connection,omitempty"`
	User       string `json:"user,omitempty"`
	Room       string `json:"room,omitempty"`
	Reason     string `json:"reason,omitempty"` // of leave: told to the client
}

// CtlAnswer is what was touched. More counts those that did not fit into one
// message of NATS; they were touched too. Missing names living gateways that
// did not answer in time: what they hold is not in it, and may or may not have
// been touched.
type CtlAnswer struct {
	Connections []CtlConnection `json:"connections"`
	More        int             `json:"more,omitempty"`
	Missing     []string        `json:"missing,omitempty"`
}

// CtlConnection is one connection. Of close, Rooms are those that it was in.
type CtlConnection struct {
	Connection string   `json:"connection"`
	User       string   `json:"user"`
	Gateway    string   `json:"gateway"`
	Door       string   `json:"door"`
	Rooms      []string `json:"rooms"`
}

// CtlPart is one gateway's part of a CtlAnswer. Gateway → the one that asked.
type CtlPart struct {
	Gateway string `json:"gateway"`
	CtlAnswer
}
