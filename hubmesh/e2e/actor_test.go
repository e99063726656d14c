package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// actor is a client of a schedule, over all its connections. It does what the
// protocol asks of a client that must lose nothing: it keeps a position of each
// room, and gives it when it is back.
type actor struct {
	t     testing.TB
	name  string
	faces *ledger

	gate sync.Mutex // held while the actor is slow: it reads nothing

	mu       sync.Mutex // guards the fields below
	conn     *hub.Client
	ended    chan struct{} // the reader of conn has ended
	asked    map[int64]wish
	open     map[string]*stay
	wants    map[string]bool         // rooms, and whether the room was ever entered
	position map[string]hub.Position // of wants
	own      hub.Position            // of user:… and hub:all together
	sure     map[string]post         // publishes whose fate is not known
	posts    int
}

// wish is what an ask was for.
type wish struct {
	kind, room string
	since      *hub.Position
	post       post
}

// post is a durable publish of an actor's.
type post struct{ room, key string }

// stay is a span under way.
type stay struct {
	span
	missed int // events that must come before the ack's position is true
	at     hub.Position
}

// ledger gathers what is checked in the end. Safe for concurrent use.
type ledger struct {
	mu       sync.Mutex // guards all below
	spans    []span
	promises []promise
	faults   []string
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func newActor(t testing.TB, name string, faces *ledger) *actor {
	t.Helper()
	return &actor{
		t: t, name: name, faces: faces, asked: map[int64]wish{}, open: map[string]*stay{},
		wants: map[string]bool{}, position: map[string]hub.Position{}, sure: map[string]post{},
	}
}

// back connects to a gateway, enters again where the actor was, and publishes
// again what was not acked. It reports whether the gateway took it.
func (a *actor) back(ctx context.Context, g place) bool {
	a.leave()
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := hub.Dial(ctx, hub.Config{
		URL: "http://" + g.Addr().String(), Token: token(a.t, a.name), Since: a.own, Unread: 1,
	})
	if err != nil {
		return false // it is cut off, or has just been killed
	}
	a.conn, a.ended, a.asked, a.open = c, make(chan struct{}), map[int64]wish{}, map[string]*stay{}
	hello := c.Connected()
	a.greeted(hello)
	go a.read(c, a.ended)
	for room := range a.wants {
		a.join(room)
	}
	for _, p := range a.sure {
		a.publish(p)
	}
	return true
}

// greeted opens the spans of the rooms that every connection is in.
func (a *actor) greeted(hello hub.Connected) {
	since := hello.Position.Offset
	if a.own.Epoch != "" {
		if hello.Recovered == nil || !*hello.Recovered {
			a.faces.fault("%s came back with %v and was told that nothing is recovered: %+v", a.name, a.own, hello)
		}
		since = a.own.Offset
	}
	for _, room := range hello.Rooms {
		a.open[room] = &stay{span: span{client: a.name, conn: hello.Connection, room: room, after: since}, missed: -1}
	}
	if a.own.Epoch == "" {
		a.own = hello.Position
	}
}

// leave ends the connection, if there is one, and waits for its reader.
func (a *actor) leave() {
	a.mu.Lock()
	c, ended := a.conn, a.ended
	a.mu.Unlock()
	if c != nil {
		_ = c.Cut() // it may have ended long ago
		<-ended
	}
}

// read takes what comes, at the pace that the gate allows.
func (a *actor) read(c *hub.Client, ended chan struct{}) {
	defer close(ended)
	for e := range c.Events() {
		a.gate.Lock()
		a.mu.Lock()
		if e.Ack != nil {
			a.answer(*e.Ack)
		} else if e.Offset != 0 {
			a.hear(e)
		}
		a.mu.Unlock()
		a.gate.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for room := range a.open {
		a.shut(room)
	}
	a.conn = nil
}

// shut ends a span. What the actor would come back with is a claim, too.
func (a *actor) shut(room string) {
	s := a.open[room]
	delete(a.open, room)
	if p, ok := a.position[room]; ok {
		s.claims = append(s.claims, claim{p.Offset, len(s.heard), "coming back"})
	}
	a.faces.mu.Lock()
	defer a.faces.mu.Unlock()
	a.faces.spans = append(a.faces.spans, s.span)
}

func (a *actor) hear(e hub.Event) {
	s := a.open[e.Room]
	if s == nil {
		a.faces.fault("%s heard %d of %s, where it is not", a.name, e.Offset, e.Room)
		return
	}
	s.heard = append(s.heard, fact{offset: e.Offset, id: idOf(e.Data)})
	if _, mine := a.wants[e.Room]; !mine {
		return // its own rooms have one position, that the heartbeat moves
	}
	p := hub.Position{Epoch: s.at.Epoch, Offset: e.Offset}
	if s.missed >= 0 && len(s.heard) >= s.missed {
		p.Offset = max(p.Offset, s.at.Offset)
	}
	a.position[e.Room] = p
}

func idOf(data json.RawMessage) string {
	var d struct{ ID string }
	_ = json.Unmarshal(data, &d) // then no id is what is stored
	return d.ID
}

func (a *actor) answer(ack hub.Ack) {
	w, ok := a.asked[ack.ID]
	if !ok {
		a.faces.fault("%s got ack %d, which it did not ask for", a.name, ack.ID)
		return
	}
	delete(a.asked, ack.ID)
	switch w.kind {
	case "subscribe":
		a.entered(w, ack)
	case "unsubscribe":
		if a.open[w.room] != nil {
			delete(a.position, w.room)
			a.shut(w.room)
		}
	case "heartbeat":
		a.beat(ack)
	case "publish":
		a.stored(w.post, ack)
	}
}

func (a *actor) entered(w wish, ack hub.Ack) {
	var got hub.Subscribed
	if ack.Err != nil || json.Unmarshal(ack.Data, &got) != nil || len(got.Rooms) != 1 {
		if len(got.Denied) == 1 && (got.Denied[0].Code == wire.Unavailable || got.Denied[0].Code == wire.Invalid) {
			return // authz could not be asked, or the actor has left meanwhile
		}
		a.faces.fault("%s asked for %s and got %s, %v", a.name, w.room, ack.Data, ack.Err)
		return
	}
	in := got.Rooms[0]
	s := &stay{
		span: span{client: a.name, conn: a.conn.Connected().Connection, room: w.room, after: in.Offset},
		at:   hub.Position{Epoch: in.Epoch, Offset: in.Offset}, missed: in.Missed,
	}
	a.open[w.room] = s
	if w.since == nil {
		a.position[w.room] = s.at
		return
	}
	s.after = w.since.Offset
	if in.Recovered == nil || !*in.Recovered {
		a.faces.fault("%s came back to %s from %v and was told that nothing is recovered: %s", a.name, w.room, *w.since, ack.Data)
		s.after = in.Offset
	}
	if in.Missed == 0 {
		a.position[w.room] = hub.Position{Epoch: in.Epoch, Offset: max(in.Offset, w.since.Offset)}
	}
}

// beat takes a position that holds for every room of the connection.
func (a *actor) beat(ack hub.Ack) {
	var p hub.Pulse
	if ack.Err != nil || json.Unmarshal(ack.Data, &p) != nil {
		a.faces.fault("%s asked for its position and got %s, %v", a.name, ack.Data, ack.Err)
		return
	}
	for room, s := range a.open {
		s.claims = append(s.claims, claim{p.Position.Offset, len(s.heard), "a heartbeat"})
		if was, ok := a.position[room]; ok && was.Offset < p.Position.Offset {
			a.position[room] = p.Position
		}
	}
	if a.own.Offset < p.Position.Offset {
		a.own = p.Position
	}
}

func (a *actor) stored(p post, ack hub.Ack) {
	var got struct{ Offset uint64 }
	if ack.Err != nil || json.Unmarshal(ack.Data, &got) != nil {
		if !strings.Contains(fmt.Sprint(ack.Err), string(wire.Unavailable)) {
			a.faces.fault("%s published %s and got %s, %v", a.name, p.key, ack.Data, ack.Err)
		}
		return // its fate is not known: it goes again
	}
	delete(a.sure, p.key)
	a.faces.mu.Lock()
	defer a.faces.mu.Unlock()
	a.faces.promises = append(a.faces.promises, promise{p.room, fact{offset: got.Offset, id: p.key}, ""})
}

// ask sends an ask, whose answer comes among the events.
func (a *actor) ask(event string, data any, w wish) {
	w.kind = event
	id, err := a.conn.Tell(event, data)
	if err == nil {
		a.asked[id] = w
	}
}

func (a *actor) join(room string) {
	ask := hub.Room{Room: room}
	if p, ok := a.position[room]; ok {
		ask.Since = &p
	}
	a.ask("subscribe", map[string][]hub.Room{"rooms": {ask}}, wish{room: room, since: ask.Since})
}

func (a *actor) publish(p post) {
	a.ask("publish", map[string]any{
		"room": p.room, "event": "test:event", "durable": true, "key": p.key, "echo": len(p.key)%2 == 0,
		"data": map[string]string{"id": p.key},
	}, wish{post: p})
}

// busy reports whether an ask about a room is under way.
func (a *actor) busy(room string) bool {
	for _, w := range a.asked {
		if w.room == room {
			return true
		}
	}
	return false
}

// do has the actor do something, unless it is not connected.
func (a *actor) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		f()
	}
}
