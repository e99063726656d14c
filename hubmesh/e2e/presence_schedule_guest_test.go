package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// guest is one device of a user of a schedule, over all its connections. Its
// fields are guarded by the schedule's mu.
type guest struct {
	s          *presenceSchedule
	user, name string

	conn   *hub.Client // nil: it is not connected
	at     place
	faults int           // of at when it connected
	ended  chan struct{} // the reader of conn has ended
	asked  map[int64]plea
	rooms  map[string]*sight // it is in
	wants  map[string]bool   // rooms
	status face              // it has said last
}

// plea is what was asked.
type plea struct {
	kind, room string
	faults     int // of the gateway when it was asked
	status     face
	covered    func() bool // for a subscribe: the user was there all the time, so that it makes no join
}

// back connects the guest anew, and has it enter its rooms again. It reports
// whether the gateway took it.
func (g *guest) back(ctx context.Context, at place) bool {
	g.leave()
	c, err := hub.Dial(ctx, hub.Config{URL: "http://" + at.Addr().String(), Token: token(g.s.t, g.user), Unread: 1 << 12})
	if err != nil {
		return false // it is cut off, or has just been killed
	}
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	g.conn, g.at, g.ended = c, at, make(chan struct{})
	g.asked, g.rooms = map[int64]plea{}, map[string]*sight{}
	g.s.most[whom{"", g.user}]++
	g.faults = g.s.faults[at]
	go g.read(c, g.ended)
	for room := range g.wants {
		g.enter(room)
	}
	return true
}

// leave ends the connection, if there is one, as a lost network would. Its user
// has grace from then on.
func (g *guest) leave() {
	g.s.mu.Lock()
	c, ended := g.conn, g.ended
	if c == nil {
		g.s.mu.Unlock()
		return
	}
	for room, s := range g.rooms {
		if s.shown != nil && g.wants[room] && g.s.well(g.at) {
			g.s.graces[whom{room, g.user}] = grace{g.at, time.Now()}
		}
	}
	g.s.mu.Unlock()
	_ = c.Cut() // it may have ended long ago
	<-ended
}

// read takes what comes.
func (g *guest) read(c *hub.Client, ended chan struct{}) {
	defer close(ended)
	for e := range c.Events() {
		g.s.mu.Lock()
		switch {
		case e.Ack != nil:
			g.answer(*e.Ack)
		case e.Event == "presence:update":
			g.hear(e)
		}
		g.s.mu.Unlock()
	}
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	for room := range g.rooms {
		g.shut(room)
	}
	g.conn = nil
}

// hear takes what is told of others in a room.
func (g *guest) hear(e hub.Event) {
	var d change
	if err := json.Unmarshal(e.Data, &d); err != nil {
		g.s.fault("%s heard %s: %v", g.name, e.Raw, err)
	}
	if d.Room == "" {
		return // of its own user in the mesh
	}
	s := g.rooms[d.Room]
	if s == nil {
		g.s.fault("%s heard %s of a room where it is not", g.name, e.Raw)
		return
	}
	s.heard = append(s.heard, word{d.Room, d.User, d.Change, face{d.Status, d.Text}})
}

// shut ends a sight.
func (g *guest) shut(room string) {
	if s := g.rooms[room]; s != nil {
		g.s.sights = append(g.s.sights, *s)
		delete(g.rooms, room)
	}
}

// enter asks for a room, and who is there. Others may be told to join, unless
// the user is there all the time.
func (g *guest) enter(room string) {
	who := whom{room, g.user}
	g.s.most[who]++
	p := plea{kind: "subscribe", room: room, faults: g.s.faults[g.at], covered: g.s.covered(who)}
	g.ask(p, map[string]any{"rooms": []string{room}, "presence": true})
}

// exit asks to be out of a room. Who does has no grace there.
func (g *guest) exit(room string) {
	delete(g.wants, room)
	delete(g.s.graces, whom{room, g.user})
	g.s.exits[whom{room, g.user}]++
	g.ask(plea{kind: "unsubscribe", room: room}, map[string][]string{"rooms": {room}})
}

// say says how the user is. Who could not be seen before may be told to join.
func (g *guest) say(f face) {
	g.s.hides[g.user] = g.s.hides[g.user] || f.Status == "invisible"
	if g.s.hides[g.user] {
		g.s.most[whom{"", g.user}]++
		for _, room := range g.s.rooms {
			g.s.most[whom{room, g.user}]++
		}
	}
	g.ask(plea{kind: "status:change", status: f}, map[string]string{"status": f.Status, "text": f.Text})
}

func (g *guest) ask(p plea, data any) {
	if id, err := g.conn.Tell(p.kind, data); err == nil {
		g.asked[id] = p
	}
}

// busy reports whether something about a room, or the status, is under way.
func (g *guest) busy(room string) bool {
	for _, p := range g.asked {
		if p.room == room {
			return true
		}
	}
	return false
}

func (g *guest) answer(a hub.Ack) {
	p, ok := g.asked[a.ID]
	if !ok {
		g.s.fault("%s got ack %d, which it did not ask for", g.name, a.ID)
		return
	}
	delete(g.asked, a.ID)
	switch p.kind {
	case "subscribe":
		g.entered(p, a)
	case "unsubscribe":
		g.shut(p.room)
	case "status:change":
		if a.Err == nil {
			g.status = p.status
		}
	}
}

func (g *guest) entered(p plea, a hub.Ack) {
	var body struct{ Rooms []inRoom }
	if a.Err != nil || json.Unmarshal(a.Data, &body) != nil {
		g.s.fault("%s asked for %s and got %s, %v", g.name, p.room, a.Data, a.Err)
		return
	}
	if len(body.Rooms) == 0 {
		return // authz could not be asked
	}
	g.shut(p.room)
	s := &sight{user: g.user, conn: g.conn.Connected().Connection, room: p.room}
	s.holes = p.faults != g.s.faults[g.at] || !g.s.well(g.at)
	g.rooms[p.room] = s
	if body.Rooms[0].Presence == nil {
		return // presence is silent: it may be in the roster, and is not told who else is
	}
	s.shown = people{}
	for _, one := range *body.Rooms[0].Presence {
		s.shown[one.User] = face{one.Status, one.Text}
	}
	if g.faults == g.s.faults[g.at] {
		g.s.answered[s.conn] = true
	}
	if p.covered() {
		g.s.most[whom{p.room, g.user}]--
	}
}

// done reports whether the guest is where it wants to be, and knows who else is
// there. What is missing it asks for.
func (g *guest) done() bool {
	if g.conn == nil {
		return false
	}
	ready := len(g.asked) == 0
	for room := range g.wants {
		if s := g.rooms[room]; s == nil || s.shown == nil {
			ready = false
			if !g.busy(room) {
				g.enter(room)
			}
		}
	}
	return ready
}

func (g *guest) String() string {
	if g.conn == nil {
		return g.name + " is away"
	}
	return fmt.Sprintf("%s is at %s, waits for %d answers, wants %v, is in %v", g.name, g.at.ID(), len(g.asked), g.wants, slices.Sorted(maps.Keys(g.rooms)))
}
