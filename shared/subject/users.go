package subject

import "slices"

// NATS users, beside the services' names.
const (
	Backend = "backend" // a program of the user's
	Admin   = "admin"   // hubmesh setup, and people
)

// Permissions says what one NATS user may do. What is not listed is refused.
type Permissions struct {
	User        string
	Publish     []string
	PublishDeny []string // wins over Publish
	Subscribe   []string
	Responses   bool // may answer what it was asked
}

// Inbox is the prefix of a user's reply subjects, set as the connection's
// inbox prefix, so that nobody hears another's answers.
func Inbox(user string) string { return "_INBOX_" + user }

// reads is what following a stream takes: its last sequence, direct gets and
// the leader's word.
func reads(stream string) []string {
	return []string{StreamInfo(stream), DirectGet(stream), DirectGet(stream) + ".>", LeaderGet(stream)}
}

// Users is who may say and hear what, one entry a NATS user: the four
// services, a backend, an admin. nats.conf and the embedded server are both
// made from it.
func (t Tree) Users() []Permissions {
	users := []Permissions{
		t.rights(Gateway), t.rights(Presence), t.rights(Authz), t.rights(Ratelimit),
		t.rights(Backend), t.admin(),
	}
	// A backend is anyone's program, with a NATS library that says _INBOX
	// unless it is told otherwise. Only people share that prefix with it.
	backend := &users[4]
	backend.Subscribe = append(backend.Subscribe, "_INBOX.>")
	backend.Publish = append(backend.Publish, consumes(t.Stream(Clients))...)
	return users
}

// rights is what the tables of families and logs give to a user.
func (t Tree) rights(user string) Permissions {
	p := Permissions{User: user, Responses: true}
	for _, f := range t.Families() {
		if slices.Contains(f.Says, user) {
			p.Publish = append(p.Publish, f.Pattern())
		}
		if slices.Contains(f.Hears, user) {
			p.Subscribe = append(p.Subscribe, f.Pattern())
		}
	}
	for _, l := range t.Logs() {
		if slices.Contains(l.Reads, user) {
			p.Publish = append(p.Publish, reads(l.Stream)...)
		}
		if slices.Contains(l.Makes, user) {
			p.Publish = append(p.Publish, StreamCreate(l.Stream))
		}
	}
	p.Subscribe = append(p.Subscribe, Inbox(user)+".>", "$SRV.>")
	return p
}

// admin may do all but what only the server says: a forged copy of a record
// would be believed by every gateway.
func (t Tree) admin() Permissions {
	return Permissions{
		User:        Admin,
		Publish:     []string{"$JS.API.>", "$JS.ACK.>", "$KV.>", "$SRV.>", t.sub(">")},
		PublishDeny: []string{t.sub("stored.>"), t.sub("kv.>"), t.sub("told.>")},
		Subscribe:   []string{t.sub(">"), Inbox(Admin) + ".>", "_INBOX.>", "$SRV.>", "$JS.EVENT.>"},
		Responses:   true,
	}
}
