package subject

import (
	"slices"
	"strings"
)

// Family is the subjects of one purpose. Rights and docs/subjects.md are both
// made from it, so what is told is what holds.
type Family struct {
	// Subject is what people read: hub.event.<type>.<id>. A part in brackets is
	// one token, or with dots at its end one token or more.
	Subject string
	Kind    Kind
	Says    []string // users that may publish there; none: only the NATS server
	Hears   []string // users that may subscribe; none: only a stream
	Meaning string
}

// Kind is how a subject is used.
type Kind string

// The kinds.
const (
	Told    Kind = "publish"    // whoever hears it now
	Asked   Kind = "request"    // answered by one of those who hear it
	Record  Kind = "record"     // stored by a stream or a bucket
	Heard   Kind = "republish"  // said by the NATS server, of a record it has stored
	Deliver Kind = "pub or req" // told; an answer says that it was taken
)

// Pattern is the family as NATS matches it: hub.event.*.*.
func (f Family) Pattern() string {
	tokens := strings.Split(f.Subject, ".<")
	for i, tok := range tokens[1:] {
		_, rest, _ := strings.Cut(tok, ">")
		wild := "*"
		if strings.HasSuffix(strings.TrimSuffix(tok, ">"), "…") {
			wild = ">"
		}
		tokens[i+1] = wild + rest
	}
	return strings.Join(tokens, ".")
}

// Families is every subject below the prefix that somebody but the admin says
// or hears.
func (t Tree) Families() []Family {
	return slices.Concat(t.roomFamilies(), t.rightsFamilies(), t.serviceFamilies(), t.presenceFamilies())
}

func (t Tree) roomFamilies() []Family {
	return []Family{
		{
			t.sub("event.<type>.<id>"), Record,
			[]string{Gateway, Backend}, nil,
			"a durable event of the room: stored in `" + t.Stream(Events) + "`, with an offset, can be replayed",
		},
		{
			t.sub("stored.<type>.<id>"), Heard,
			nil, []string{Gateway},
			"the same event once it is stored, with its offset in `Nats-Sequence`",
		},
		{
			t.sub("live.<type>.<id>"), Told,
			[]string{Gateway, Backend}, []string{Gateway},
			"a signal for the room: now or never, nothing is stored",
		},
		{
			t.sub("call.<event…>"), Asked,
			[]string{Gateway}, []string{Backend},
			"a client's own event, split at colons: `task:create` is `" + t.Call("task:create") + "`; the answer is the client's ack",
		},
		{
			t.sub("conn.<gateway>.<connection>"), Deliver,
			[]string{Backend}, []string{Gateway},
			"one event for one connection",
		},
		{
			t.Ctl("<verb>"), Asked,
			[]string{Backend}, []string{Gateway},
			"list connections (`get`), end them (`close`), put them into a room (`join`) or take them out (`leave`), on whichever gateways they are",
		},
		{
			t.Control("<verb>"), Asked,
			[]string{Gateway}, []string{Gateway},
			"a gateway asks all others what a backend has asked it",
		},
	}
}

func (t Tree) serviceFamilies() []Family {
	return []Family{
		{
			t.Svc(Presence, "gateways"), Asked,
			[]string{Gateway, Backend}, []string{Presence},
			"which gateways live, and their figures",
		},
		{
			t.Svc(Ratelimit, "take"), Asked,
			[]string{Gateway}, []string{Ratelimit},
			"may this much be done, of a limit that all gateways share",
		},
		{
			t.Probe("<gateway>"), Asked,
			[]string{Gateway}, []string{Gateway},
			"a gateway asks itself, which proves that NATS carries its words",
		},
		{
			t.Key(Gateways, "<gateway>"), Record,
			[]string{Gateway}, nil,
			"the lease of a gateway, with its figures; ends by itself",
		},
		{
			t.Heard(Gateways, "<gateway>"), Heard,
			nil, []string{Presence},
			"the same lease once it is stored, and its end",
		},
		{
			t.Key(Quota, "<key…>"), Record,
			[]string{Ratelimit}, nil,
			"what is spent of one shared limit",
		},
	}
}

// Log is a stream, or the stream of a bucket, and who reads it.
type Log struct {
	Stream  string
	Reads   []string // users
	Makes   []string // users beside Admin, for what a restart of NATS forgets
	Meaning string
}

// Logs is every stream and bucket.
func (t Tree) Logs() []Log {
	return []Log{
		{t.Stream(Events), []string{Gateway}, nil, "durable events of all rooms"},
		{t.BucketStream(Gateways), []string{Gateway, Presence}, nil, "bucket `" + t.Bucket(Gateways) + "`: one leased key a living gateway"},
		{t.BucketStream(Policy), []string{Authz, Gateway}, nil, "bucket `" + t.Bucket(Policy) + "`: who may do what, one key a type of rooms"},
		{t.BucketStream(Relations), []string{Authz, Gateway, Backend}, nil, "bucket `" + t.Bucket(Relations) + "`: who is a member of what, and what lies below what"},
		{t.BucketStream(Revoked), []string{Authz, Gateway, Backend}, nil, "bucket `" + t.Bucket(Revoked) + "`: tokens that hold no longer"},
		{t.BucketStream(Here), []string{Presence}, nil, "bucket `" + t.Bucket(Here) + "`: one key a connection, as it stands"},
		{t.Stream(Tellings), []string{Presence, Gateway}, nil, "what was last told of each user in each room, and in the mesh"},
		{t.Stream(Clients), []string{Presence}, nil, "the start and the end of every connection"},
		{t.BucketStream(Quota), []string{Ratelimit}, []string{Ratelimit}, "bucket `" + t.Bucket(Quota) + "`, in memory: one time a shared token bucket"},
	}
}
