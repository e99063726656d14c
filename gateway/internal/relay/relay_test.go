package relay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/store"
)

func TestMembersHearTheLogInOrder(t *testing.T) {
	const events = 300
	b := mesh(t, store.Config{})
	ann, bob := b.member("ann", "task.1", "task.2"), b.member("bob", "task.2")
	var all, second []string
	for i := range events {
		id := i%3 + 1
		offset := b.put(t, &nats.Msg{
			Subject: fmt.Sprintf("hub.event.task.%d", id), Data: fmt.Appendf(nil, `{"n":%d}`, i),
			Header: nats.Header{"Hub-Event": {"task:update"}, "Hub-From": {"eve"}},
		})
		line := fmt.Sprintf("task:%d task:update %q binary=false from=\"eve\" @%d", id, fmt.Sprintf(`{"n":%d}`, i), offset)
		if id < 3 {
			all = append(all, line)
		}
		if id == 2 {
			second = append(second, line)
		}
	}
	wantHeard(t, ann, all...)
	wantHeard(t, bob, second...)
}

func TestWhatAnEventMeans(t *testing.T) {
	cases := map[string]struct {
		header nats.Header
		data   string
		want   string
	}{
		"a payload alone is a message":     {nil, `1`, `task:a@b message "1" binary=false from=""`},
		"the content type may be told":     {nats.Header{"Content-Type": {"application/json"}}, ` null `, `task:a@b message " null " binary=false from=""`},
		"bytes are kept as they are":       {nats.Header{"Content-Type": {"application/octet-stream"}}, "\xff\x00", `task:a@b message "\xff\x00" binary=true from=""`},
		"bytes may be none":                {nats.Header{"Content-Type": {"application/octet-stream"}}, "", `task:a@b message "" binary=true from=""`},
		"a name and a user":                {nats.Header{"Hub-Event": {"a:ü"}, "Hub-From": {"ann@example.com"}}, `"x"`, `task:a@b a:ü "\"x\"" binary=false from="ann@example.com"`},
		"names of the server are no fault": {nats.Header{"Hub-Event": {"presence:update"}}, `{}`, `task:a@b presence:update "{}" binary=false from=""`},
	}
	b := mesh(t, store.Config{})
	m := b.member("m", "task.a=40b")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			offset := b.put(t, &nats.Msg{Subject: "hub.event.task.a=40b", Header: c.header, Data: []byte(c.data)})
			wantHeard(t, m, fmt.Sprintf("%s @%d", c.want, offset))
			b.say(t, &nats.Msg{Subject: "hub.live.task.a=40b", Header: c.header, Data: []byte(c.data)})
			wantHeard(t, m, c.want+" @0")
		})
	}
}

// TestWhatIsNoEventIsDropped sends each thing twice, as an event and as a
// signal, and then an event that shows that nothing of it was heard.
func TestWhatIsNoEventIsDropped(t *testing.T) {
	named := func(name string) nats.Header { return nats.Header{"Hub-Event": {name}} }
	typed := func(name string) nats.Header { return nats.Header{"Content-Type": {name}} }
	cases := map[string]struct {
		room   string
		header nats.Header
		data   string
		why    meter.Drop
	}{
		"no payload":                     {"task.1", nil, "", meter.NotJSON},
		"half of an object":              {"task.1", nil, "{", meter.NotJSON},
		"two values":                     {"task.1", nil, "1 2", meter.NotJSON},
		"broken UTF-8 in a text":         {"task.1", nil, "\"\xff\"", meter.NotJSON},
		"an empty name":                  {"task.1", named(""), "1", meter.BadName},
		"a name with an empty part":      {"task.1", named("a::b"), "1", meter.BadName},
		"a name with a control letter":   {"task.1", named("a\tb"), "1", meter.BadName},
		"a name that is too long":        {"task.1", named(strings.Repeat("x", 129)), "1", meter.BadName},
		"a name of broken UTF-8":         {"task.1", named("\xff"), "1", meter.BadName},
		"a user of broken UTF-8":         {"task.1", nats.Header{"Hub-From": {"\xff"}}, "1", meter.BadName},
		"another content type":           {"task.1", typed("text/plain"), "1", meter.BadType},
		"a type that is no room's":       {"Task.1", nil, "1", meter.NotRoom},
		"an id that need not be escaped": {"task.=31", nil, "1", meter.NotRoom},
		"an id escaped in large letters": {"task.a=2Eb", nil, "1", meter.NotRoom},
		"an id that is not escaped":      {"task.a@b", nil, "1", meter.NotRoom},
		"an id with a control letter":    {"task.=00", nil, "1", meter.NotRoom},
		"an id of broken UTF-8":          {"task.=ff", nil, "1", meter.NotRoom},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := mesh(t, store.Config{})
			m := b.member("m", "task.1", "task.a=40b", c.room)
			for range 3 {
				b.put(t, &nats.Msg{Subject: "hub.event." + c.room, Header: c.header, Data: []byte(c.data)})
				b.say(t, &nats.Msg{Subject: "hub.live." + c.room, Header: c.header, Data: []byte(c.data)})
			}
			offset := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("1")})
			wantHeard(t, m, fmt.Sprintf(`task:1 message "1" binary=false from="" @%d`, offset))
			await(t, "six are counted", func() bool { return b.counted(t, c.why) == 6 })
			if n := b.said.count("relay: not an event"); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
		})
	}
}

func TestWhoIsExceptedDoesNotHear(t *testing.T) {
	b := mesh(t, store.Config{})
	ann, bob := b.member("g1-1", "task.1"), b.member("g1-2", "task.1")
	first := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Header: nats.Header{"Hub-Except": {"g1-1"}}, Data: []byte("1")})
	second := b.put(t, &nats.Msg{Subject: "hub.event.task.1", Data: []byte("2")})
	event := `task:1 message "%d" binary=false from="" @%d`
	wantHeard(t, ann, fmt.Sprintf(event, 2, second))
	wantHeard(t, bob, fmt.Sprintf(event, 1, first), fmt.Sprintf(event, 2, second))
	b.say(t, &nats.Msg{Subject: "hub.live.task.1", Header: nats.Header{"Hub-Except": {"g1-2"}}, Data: []byte("3")})
	b.say(t, &nats.Msg{Subject: "hub.live.task.1", Data: []byte("4")})
	wantHeard(t, ann, fmt.Sprintf(event, 3, 0), fmt.Sprintf(event, 4, 0))
	wantHeard(t, bob, fmt.Sprintf(event, 4, 0))
}

func TestOneConnectionIsSpokenTo(t *testing.T) {
	b := mesh(t, store.Config{})
	ann := b.member("g1-1")
	ask := func(conn, data string) (body, fault string) {
		t.Helper()
		m, err := b.backend.RequestMsg(&nats.Msg{Subject: "hub.conn.g1." + conn, Header: nats.Header{"Hub-Event": {"hello"}}, Data: []byte(data)}, patience)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data), m.Header.Get("Hub-Error")
	}
	if body, fault := ask("g1-1", `{}`); body != "{}" || fault != "" {
		t.Errorf("answer %q, %q; want {}", body, fault)
	}
	b.say(t, &nats.Msg{Subject: "hub.conn.g1.g1-1", Data: []byte("1")})
	wantHeard(t, ann, ` hello "{}" binary=false from="" @0`, ` message "1" binary=false from="" @0`)
	if _, fault := ask("g1-2", `{}`); fault != "gone" {
		t.Errorf("nobody is there: %q, want gone", fault)
	}
	if body, fault := ask("g1-1", `{`); fault != "invalid" || body == "" {
		t.Errorf("no JSON: %q %q, want invalid and a text", fault, body)
	}
	ann.Outbox.Finish(frame.Restart)
	if _, fault := ask("g1-1", `{}`); fault != "gone" {
		t.Errorf("it is being closed: %q, want gone", fault)
	}
	if _, err := b.backend.Request("hub.conn.g2.g2-1", nil, patience); err == nil {
		t.Error("another gateway's connection was answered for")
	}
}
