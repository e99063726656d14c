package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// seen is a user in a roster, as clients are told.
type seen struct {
	User        string          `json:"user"`
	Info        json.RawMessage `json:"info"`
	Status      string          `json:"status"`
	Text        string          `json:"text"`
	Data        json.RawMessage `json:"data"`
	Connections int             `json:"connections"`
	Since       int64           `json:"since"`
	LastSeen    int64           `json:"lastSeen"`
}

// change is one change of a user, as clients are told.
type change struct {
	Room        string `json:"room"`
	User        string `json:"user"`
	Status      string `json:"status"`
	Text        string `json:"text"`
	Connections int    `json:"connections"`
	Change      string `json:"change"`
}

// inRoom is a room of the ack of subscribe.
type inRoom struct {
	Room       string  `json:"room"`
	Presence   *[]seen `json:"presence"`
	NoPresence string  `json:"noPresence"`
	Counts     *struct {
		Users       int `json:"users"`
		Connections int `json:"connections"`
	} `json:"counts"`
}

// viewer is a client that keeps the roster of one room, as anyone would who
// reads the protocol: the ack's, and then the updates in their order.
type viewer struct {
	t      testing.TB
	c      *hub.Client
	room   string
	roster map[string]seen

	heard    []string // changes of the room: "bob join"
	read     int      // of heard, what expect has seen
	mesh     []change // changes of users in the mesh
	typing   []string // "user:typing bob"
	messages int      // of the room
	partly   bool     // its roster had not all who are there
}

// view connects a user to a gateway.
func view(t testing.TB, g *gateway.Server, user string) *viewer {
	t.Helper()
	return &viewer{t: t, c: dial(t, g, user), roster: map[string]seen{}}
}

// viewIn connects a user to a gateway, and enters the roster of task:42.
func viewIn(t testing.TB, g *gateway.Server, user string) *viewer {
	t.Helper()
	v := view(t, g, user)
	v.enter()
	return v
}

// enter subscribes to task:42 with presence, and takes its roster.
func (v *viewer) enter() inRoom {
	v.t.Helper()
	in := v.subscribe()
	if in.Presence == nil {
		v.t.Fatalf("the ack has no roster of %s: %s", v.room, in.NoPresence)
	}
	return in
}

func (v *viewer) subscribe() inRoom {
	v.t.Helper()
	v.room = "task:42"
	id, err := v.c.Tell("subscribe", map[string]any{"rooms": []string{v.room}, "presence": true})
	if err != nil {
		v.t.Fatal(err)
	}
	ack := v.until(func(e hub.Event) bool { return e.Ack != nil && e.Ack.ID == id })
	var body struct{ Rooms []inRoom }
	if err := json.Unmarshal(ack.Ack.Data, &body); err != nil || ack.Ack.Err != nil || len(body.Rooms) != 1 {
		v.t.Fatalf("subscribe %s: %s, %v, %v", v.room, ack.Ack.Data, ack.Ack.Err, err)
	}
	in := body.Rooms[0]
	if in.Presence != nil {
		clear(v.roster)
		for _, s := range *in.Presence {
			v.roster[s.User] = s
		}
	}
	return in
}

// until reads until an event is the one, and takes what comes before.
func (v *viewer) until(is func(hub.Event) bool) hub.Event {
	v.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e, ok := <-v.c.Events():
			if !ok {
				v.t.Fatalf("the connection of %s ended: %v", v.c.Connected().User, v.c.Err())
			}
			v.take(e)
			if is(e) {
				return e
			}
		case <-late.C:
			v.t.Fatalf("%s waits in vain; roster %v, heard %v, in the mesh %v", v.c.Connected().User, v.names(), v.heard, v.mesh)
		}
	}
}

// wait reads until what was told is enough.
func (v *viewer) wait(enough func() bool) {
	v.t.Helper()
	for !enough() {
		v.until(func(hub.Event) bool { return true })
	}
}

// take keeps the roster by what is told.
func (v *viewer) take(e hub.Event) {
	v.t.Helper()
	switch e.Event {
	case "user:typing", "user:stopped-typing":
		var who struct{ Room, User string }
		if err := json.Unmarshal(e.Data, &who); err != nil || who.Room != v.room {
			v.t.Fatalf("%s: %v", e.Raw, err)
		}
		v.typing = append(v.typing, e.Event+" "+who.User)
	case "presence:update":
		var d struct {
			change
			Changes []change `json:"changes"`
		}
		if err := json.Unmarshal(e.Data, &d); err != nil {
			v.t.Fatalf("%s: %v", e.Raw, err)
		}
		switch {
		case d.Changes != nil:
			v.messages++
			for _, c := range d.Changes {
				v.change(c)
			}
		case d.Room == "":
			v.mesh = append(v.mesh, d.change)
		case d.Room == v.room:
			v.messages++
			v.change(d.change)
		}
	}
}

// change takes one change of the room. One who joins was not here, and one of
// whom anything else is told was: nothing is told twice, and nothing is missing.
func (v *viewer) change(c change) {
	v.t.Helper()
	was, here := v.roster[c.User]
	if here == (c.Change == "join") && !v.partly {
		v.t.Errorf("%s hears that of %s: %s; before he was here: %v. Heard %v", v.c.Connected().User, c.User, c.Change, here, v.heard)
	}
	if c.Change == "leave" {
		delete(v.roster, c.User)
	} else {
		was.User, was.Status, was.Text, was.Connections = c.User, c.Status, c.Text, c.Connections
		v.roster[c.User] = was
	}
	v.heard = append(v.heard, c.User+" "+c.Change)
}

// expect waits for changes of the room, in this order and no others between.
func (v *viewer) expect(changes ...string) {
	v.t.Helper()
	v.wait(func() bool { return len(v.heard) >= v.read+len(changes) })
	got := v.heard[v.read : v.read+len(changes)]
	v.read += len(changes)
	if !slices.Equal(got, changes) {
		v.t.Fatalf("%s heard %q, want %q", v.c.Connected().User, got, changes)
	}
}

// sees waits until the roster has just these users.
func (v *viewer) sees(users ...string) {
	v.t.Helper()
	slices.Sort(users)
	v.wait(func() bool { return slices.Equal(v.names(), users) })
	v.read = len(v.heard)
}

func (v *viewer) names() []string { return slices.Sorted(maps.Keys(v.roster)) }

// ask asks and reads the ack as Out, however it went.
func askAs[Out any](v *viewer, event string, data any) (out Out, err error) {
	v.t.Helper()
	raw, err := v.c.Ask(v.t.Context(), event, data)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out, err
}

// say asks for something that must be acked with nothing to say.
func (v *viewer) say(event, data string) {
	v.t.Helper()
	if out, err := askAs[map[string]any](v, event, json.RawMessage(data)); err != nil || len(out) != 0 {
		v.t.Fatalf("%s %s: %v, %v", event, data, out, err)
	}
}

// quiet fails if a change of the room has come by when a marker does that a
// backend sends to the connection.
func (v *viewer) quiet(h *house, g *gateway.Server) {
	v.t.Helper()
	h.says(v.t, fmt.Sprintf("hub.conn.%s.%s", g.ID(), v.c.Connected().Connection), `{}`, "Hub-Event", "marker")
	v.until(func(e hub.Event) bool { return e.Event == "marker" })
	if len(v.heard) > v.read {
		v.t.Fatalf("%s heard %q, want nothing", v.c.Connected().User, v.heard[v.read:])
	}
}

// twoGateways is a mesh with two gateways, whose leases end as in production.
func twoGateways(t testing.TB) (h *house, g1, g2 *gateway.Server) {
	t.Helper()
	cfg := config(t)
	cfg.Gateways = 2
	cfg.Gateway.LeaseTTL, cfg.Gateway.LeaseRenew = 13*time.Second, 500*time.Millisecond
	h = open(t, cfg)
	all := h.mesh.Gateways()
	return h, all[0], all[1]
}

// elsewhere is users on a gateway of the story's own, which reports that each
// has a connection that is in the room's roster, and holds no client. It lives
// as long as the story.
func (h *house) elsewhere(gateway, room string, users ...string) {
	h.t.Helper()
	if _, err := h.js.Publish(h.t.Context(), subject.Tree{}.Key(subject.Gateways, gateway), []byte(`{}`)); err != nil {
		h.t.Fatal(err)
	}
	for chunk := range slices.Chunk(users, 500) {
		r := wire.PresenceReport{Gateway: gateway}
		for _, u := range chunk {
			r.Connections = append(r.Connections, wire.PresenceStand{
				Connection: gateway + "-" + u, User: u, Turn: 1, First: true, Door: "native", Since: time.Now().UnixMilli(), Rooms: []string{room},
			})
		}
		ctx, cancel := context.WithTimeout(h.t.Context(), patience)
		a, err := natsconn.Call[wire.PresenceReported](ctx, h.nc, subject.Tree{}.Report(), r)
		cancel()
		if err != nil || len(a.Failed)+len(a.Refused) > 0 {
			h.t.Fatalf("report %d users: %d failed, %d refused, %v", len(chunk), len(a.Failed), len(a.Refused), err)
		}
	}
}
