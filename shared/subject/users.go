package subject

// NATS users, beside the services' names.
const (
	Backend = "backend" // a program of the user's
	Admin   = "admin"   // hubmesh setup, and people
)

// Permissions says what one NATS user may do. What is not listed is refused.
type Permissions struct {
	User          string
	Publish       []string
	PublishDeny   []string // wins over Publish
	Subscribe     []string
	SubscribeDeny []string // wins over Subscribe
	Responses     bool     // may answer what it was asked
}

// Inbox is the prefix of a user's reply subjects, set as the connection's
// inbox prefix, so that nobody hears another's answers.
func Inbox(user string) string { return "_INBOX_" + user }

// reads is what following a stream takes: its last sequence, direct gets and
// the leader's word.
func reads(stream string) []string {
	return []string{
		"$JS.API.STREAM.INFO." + stream,
		"$JS.API.DIRECT.GET." + stream,
		"$JS.API.DIRECT.GET." + stream + ".>",
		"$JS.API.STREAM.MSG.GET." + stream,
	}
}

func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// Users is who may say and hear what, one entry a NATS user, least rights
// first: the four services, a backend, an admin. nats.conf and the embedded
// server are both made from it.
func (t Tree) Users() []Permissions {
	kv := func(bucket string) string { return "KV_" + t.Bucket(bucket) }
	hears := func(user string, more ...string) []string {
		return append(more, Inbox(user)+".>", "$SRV.>")
	}
	return []Permissions{
		{
			User: Gateway,
			Publish: join([]string{
				t.EventAll(), t.LiveAll(), t.sub("call.>"), t.Probe("*"),
				t.Svc(Authz, "connect"), t.Svc(Authz, "join"),
				t.Svc(Presence, "gateways"), t.Svc(Ratelimit, "take"),
				t.Key(Gateways, "*"),
			}, reads(t.Stream(Events)), reads(kv(Gateways))),
			Subscribe: hears(Gateway, t.StoredAll(), t.LiveAll(), t.sub("conn.*.*"), t.Probe("*")),
			Responses: true,
		},
		{
			User:      Presence,
			Publish:   reads(kv(Gateways)),
			Subscribe: hears(Presence, t.Svc(Presence, "*"), t.Heard(Gateways, "*")),
			Responses: true,
		},
		{
			User:      Authz,
			Subscribe: hears(Authz, t.Svc(Authz, "*")),
			Responses: true,
		},
		{
			User:      Ratelimit,
			Publish:   join([]string{t.Key(Quota, ">")}, reads(kv(Quota))),
			Subscribe: hears(Ratelimit, t.Svc(Ratelimit, "*")),
			Responses: true,
		},
		{
			User: Backend,
			Publish: []string{
				t.EventAll(), t.LiveAll(), t.sub("conn.*.*"),
				t.Svc(Presence, "gateways"),
			},
			Subscribe: hears(Backend, t.sub("call.>")),
			Responses: true,
		},
		{
			User: Admin,
			Publish: []string{
				"$JS.API.>", "$KV.>", "$SRV.>", "$JS.ACK.>", t.sub(">"),
			},
			// What only the server says stays the server's, for people too.
			PublishDeny: []string{t.sub("stored.>"), t.sub("kv.>")},
			Subscribe:   []string{t.sub(">"), Inbox(Admin) + ".>", "_INBOX.>", "$SRV.>", "$JS.EVENT.>"},
			Responses:   true,
		},
	}
}
