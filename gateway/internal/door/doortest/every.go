package doortest

import (
	"fmt"
	"strings"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// everyFile is where a door's answers to every are.
const everyFile = "every.txt"

// every is what each door must be able to say.
func every() string {
	var b strings.Builder
	b.WriteString(everyOut)
	for _, e := range frame.Ends() {
		fmt.Fprintf(&b, "\n== the end: %v\nend %v\n", e, e)
	}
	for _, c := range wire.Codes() {
		fmt.Fprintf(&b, "\n== refused at the handshake: %s\nrefuse %s it is \"so\"\n", c, c)
	}
	b.WriteString("\n== refused at the handshake with a code of someone's own authz\nrefuse too_young come back later\n")
	return b.String()
}

// everyOut is every frame.Out and every frame.Body, with and without what may
// be absent.
const everyOut = `# Made by doortest, not by hand: what every door must be able to say.

== connected: the first greeting
say connected {"connection":"g1-7","user":"ann","heartbeatMs":25000,"gateway":"g1","rooms":["user:ann","hub:all"],"position":{"epoch":"e","offset":12}}

== connected: a return, with a token that ends
say connected {"connection":"g1-7","user":"ann","heartbeatMs":25000,"expiresAt":1700000000000,"gateway":"g1","rooms":["user:ann","hub:all","team:red"],"position":{"epoch":"e","offset":12},"recovered":true,"missed":0}

== connected: a return after too long
say connected {"connection":"g1-7","user":"ann","heartbeatMs":25000,"gateway":"g1","rooms":["user:ann","hub:all"],"position":{"epoch":"e","offset":12},"recovered":false}

== an event: durable, with all there is
say event {"event":"task:update","room":"task:42","data":{"taskId":"42","n":1.50},"offset":18446744073709551615,"from":"ann","time":1700000000000}
tell event {"event":"task:update","room":"task:42","data":{"taskId":"42","n":1.50},"offset":18446744073709551615,"from":"ann","time":1700000000000}

== an event: a signal
say event {"event":"cursor:move","room":"task:42","data":{"x":10},"from":"ann"}
tell event {"event":"cursor:move","room":"task:42","data":{"x":10},"from":"ann"}

== an event: to one connection
say event {"event":"hello","data":"you"}

== an event: without data
say event {"event":"hello"}
tell event {"event":"hello","room":"task:42","offset":1,"time":2}

== an event: data as the backend wrote it, not a byte changed
tell event {"event":"message","room":"lobby:a b","data":{"a" : [1e400, 0.10,"\u00e9</script>"] },"offset":1,"time":2}

== an event: names that must be escaped
tell event {"event":"say \"hi\" <b>","room":"task:\"\\é\u2028","data":null,"from":"o'\"x\""}

== an event: bytes
say event {"event":"image","room":"task:42","base64":"AP/+gA==","offset":3,"from":"ann","time":5}
tell event {"event":"image","room":"task:42","base64":"AP/+gA==","offset":3,"from":"ann","time":5}

== an event: no bytes at all
tell event {"event":"image","room":"task:42","base64":""}

== an ack: done
say ack 1 done {}

== an ack: of the numbers that an id can have
say ack 0 done {}
say ack -1 done {}
say ack 9223372036854775807 done {}

== an ack: rooms entered and denied
say ack 2 subscribed {"rooms":[{"room":"task:42","offset":12,"epoch":"e"}],"denied":[{"room":"task:43","code":"forbidden","message":"you may not enter this room"}]}

== an ack: no room entered or denied
say ack 2 subscribed {"rooms":[],"denied":[]}

== an ack: rooms whose past was asked for
say ack 2 subscribed {"rooms":[{"room":"task:1","offset":12,"epoch":"e","recovered":true,"missed":3},{"room":"task:2","offset":12,"epoch":"e","recovered":true,"missed":0},{"room":"task:3","offset":12,"epoch":"e","recovered":false},{"room":"task:4","offset":12,"epoch":"e","missed":20}],"denied":[]}

== an ack: rooms whose rosters were asked for
say ack 2 subscribed {"rooms":[{"room":"task:1","offset":12,"epoch":"e","presence":[{"user":"ann","info":{"name":"Ann"},"status":"busy","text":"lunch","data":{"until":13},"connections":2,"since":1700000000000,"lastSeen":1700000000001},{"user":"bob","status":"online","connections":1,"since":1700000000000,"lastSeen":1700000000001}]},{"room":"task:2","offset":12,"epoch":"e","presence":[]},{"room":"task:3","offset":12,"epoch":"e","presence":[{"user":"ann","status":"online","connections":1,"since":1,"lastSeen":2}],"counts":{"users":201,"connections":300}},{"room":"task:4","offset":12,"epoch":"e","noPresence":"unavailable"}],"denied":[]}

== an ack: stored
say ack 3 stored {"offset":18446744073709551615}

== an ack: a token that ends, and one that does not
say ack 4 expiry {"expiresAt":1700000000000}
say ack 4 expiry {}

== an ack: the answer to a heartbeat
say ack 5 beat {"time":1700000000000,"position":{"epoch":"e","offset":12}}

== an ack: a page of the past
say ack 6 past {"events":[{"event":"task:update","room":"task:42","data":{"n":1},"offset":3,"from":"ann","time":5},{"event":"image","room":"task:42","base64":"AP8=","offset":4,"time":6}],"epoch":"e","more":true}

== an ack: an empty page of the past
say ack 6 past {"events":[],"epoch":"e","more":false}

== an ack: a page of those who are here
say ack 6 here {"users":[{"user":"ann","info":{"name":"Ann"},"status":"busy","text":"lunch","data":{"until":13},"connections":2,"since":1700000000000,"lastSeen":1700000000001}],"next":"ann"}

== an ack: nobody is here
say ack 6 here {"users":[]}

== an ack: a backend's answer, not a byte changed
say ack 7 reply {"id" : "9", "big":12345678901234567890, "html":"<b>"}
say ack 7 reply null
say ack 7 reply "text"

== an error: as ack
say refused 8 {"code":"forbidden","message":"you have not the right \"publish\" in this room"}

== an error: as ack, with the time to wait
say refused 8 {"code":"rate_limited","message":"over the limit","retryAfterMs":600}

== an error: of an ask that wants no answer
say refused - {"code":"invalid","message":"event is a text that is not empty"}
say refused - {"code":"rate_limited","message":"over the limit","retryAfterMs":600}

== an error: with a code and a text of a backend's own
say refused 9 {"code":"no_such_task","message":"task 42: <gone> \u2028"}
`
