package subject

import (
	"fmt"
	"strings"
)

// DefaultPrefix is the first token of every subject where nothing else is set.
const DefaultPrefix = "hub"

// Buckets and streams, without the prefix that Stream and Bucket put before
// them.
const (
	Events    = "EVENTS"    // stream: durable events of all rooms
	Gateways  = "GATEWAYS"  // bucket: one leased key a gateway
	Quota     = "QUOTA"     // bucket in memory: one time a shared token bucket
	Policy    = "POLICY"    // bucket: one key a type of rooms
	Relations = "RELATIONS" // bucket: one key a fact
	Revoked   = "REVOKED"   // bucket: one key a user or a token
	Here      = "PRESENCE"  // bucket: one key a connection, as it stands
	Tellings  = "TOLD"      // stream: what was last told of each user in each room
	Clients   = "CLIENTS"   // stream: the start and the end of every connection
)

// Services, as they stand in subjects and in micro names.
const (
	Gateway   = "gateway"
	Authz     = "authz"
	Presence  = "presence"
	Ratelimit = "ratelimit"
)

// Tree is every subject, stream and bucket below one prefix. The zero Tree is
// the one below DefaultPrefix. It is a value: copy it.
type Tree struct{ prefix string }

// Below returns the tree of a prefix; an empty one means DefaultPrefix. A
// prefix is [a-z][a-z0-9-]{0,31}: it is one token of subjects and, in upper
// case, the begin of stream names.
func Below(prefix string) (Tree, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !validType(prefix) {
		return Tree{}, fmt.Errorf("subject: prefix %q: want a small letter, then up to 31 small letters, digits and hyphens", prefix)
	}
	return Tree{prefix: prefix}, nil
}

// Prefix is the first token of every subject.
func (t Tree) Prefix() string {
	if t.prefix == "" {
		return DefaultPrefix
	}
	return t.prefix
}

func (t Tree) sub(rest string) string { return t.Prefix() + "." + rest }

// Stream is a stream's whole name: HUB_EVENTS.
func (t Tree) Stream(name string) string {
	return strings.ToUpper(t.Prefix()) + "_" + name
}

// Bucket is a KV bucket's whole name: HUB_GATEWAYS. Its stream is "KV_" and
// that.
func (t Tree) Bucket(name string) string { return t.Stream(name) }

// Event is where a durable event of the room is published: hub.event.task.42.
func (t Tree) Event(r Room) string { return t.sub("event.") + r.Key() }

// EventAll is what the stream of events captures: hub.event.*.*.
func (t Tree) EventAll() string { return t.sub("event.*.*") }

// StoredAll is where the server republishes what it has stored:
// hub.stored.*.*. Nobody else publishes there.
func (t Tree) StoredAll() string { return t.sub("stored.*.*") }

// Live is where a signal for the room is published: hub.live.task.42.
func (t Tree) Live(r Room) string { return t.sub("live.") + r.Key() }

// LiveAll is the signals of all rooms: hub.live.*.*.
func (t Tree) LiveAll() string { return t.sub("live.*.*") }

// RoomKey takes the room's two tokens (Room.Key) out of a subject below
// hub.event, hub.stored or hub.live, without allocating. It does not judge
// their spelling; a key of another spelling is no room's.
func (t Tree) RoomKey(subject string) (key string, ok bool) {
	p := t.Prefix()
	if len(subject) <= len(p)+1 || subject[:len(p)] != p || subject[len(p)] != '.' {
		return "", false
	}
	_, key, ok = strings.Cut(subject[len(p)+1:], ".")
	return key, ok && strings.IndexByte(key, '.') > 0
}

// Call is where a client's own event is asked of a backend: task:create is
// hub.call.task.create. The name must be ValidEvent.
func (t Tree) Call(event string) string {
	parts := strings.Split(event, ":")
	for i, p := range parts {
		parts[i] = Escape(p)
	}
	return t.sub("call.") + strings.Join(parts, ".")
}

// Conn is where one connection is spoken to: hub.conn.<gateway>.<conn>.
func (t Tree) Conn(gateway, conn string) string { return t.sub("conn.") + gateway + "." + conn }

// ConnAll is all connections of one gateway.
func (t Tree) ConnAll(gateway string) string { return t.Conn(gateway, "*") }

// Probe is where a gateway asks itself, to prove that NATS carries its words.
func (t Tree) Probe(gateway string) string { return t.sub("gw.probe.") + gateway }

// Control is where a gateway asks all gateways, itself too, what a backend
// asked one of them below hub.ctl: hub.gw.ctl.<verb>.
func (t Tree) Control(verb string) string { return t.sub("gw.ctl.") + verb }

// Ctl is where a backend asks for connections to be listed, closed, put into
// rooms or taken out: hub.ctl.conn.<verb>.
func (t Tree) Ctl(verb string) string { return t.sub("ctl.conn.") + verb }

// Svc is an endpoint of a service: hub.svc.authz.join.
func (t Tree) Svc(service, endpoint string) string { return t.sub("svc.") + service + "." + endpoint }

// Key is the subject of a bucket's key: $KV.HUB_GATEWAYS.<key>.
func (t Tree) Key(bucket, key string) string { return "$KV." + t.Bucket(bucket) + "." + key }

// Heard is where the records of a bucket are republished, for a key or for
// ">": hub.kv.gateways.<key>.
func (t Tree) Heard(bucket, key string) string {
	return t.sub("kv.") + strings.ToLower(bucket) + "." + key
}
