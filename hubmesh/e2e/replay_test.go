package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// bulk publishes count events of so many bytes to a room, many at once but in
// order, and returns their offsets.
func (h *house) bulk(room string, count, bytes int) (offsets []uint64) {
	h.t.Helper()
	r, err := subject.ParseRoom(room)
	if err != nil {
		h.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"n": 0, "fill": string(make([]byte, bytes/6))}) // a zero byte is spelt in 6
	if err != nil {
		h.t.Fatal(err)
	}
	for left := count; left > 0; {
		most := min(left, 200)
		left -= most
		acks := make([]jetstream.PubAckFuture, 0, most)
		for range most {
			f, err := h.js.PublishMsgAsync(&nats.Msg{Subject: subject.Tree{}.Event(r), Data: body})
			if err != nil {
				h.t.Fatal(err)
			}
			acks = append(acks, f)
		}
		for _, f := range acks {
			select {
			case ack := <-f.Ok():
				offsets = append(offsets, ack.Sequence)
			case err := <-f.Err():
				h.t.Fatal(err)
			}
		}
	}
	return offsets
}

// slowly connects ann by a client that reads nothing but what it is asked to: a few
// events wait in it, the rest in its socket and in the gateway.
func slowly(t testing.TB, g *gateway.Server) *hub.Client {
	t.Helper()
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, "ann"), Unread: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Cut() })
	return c
}

// tell sends an ask whose ack comes among the events.
func tell(t testing.TB, c *hub.Client, event string, data any) (id int64) {
	t.Helper()
	id, err := c.Tell(event, data)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// subscribe asks for rooms; the ack comes among the events.
func subscribe(t testing.TB, c *hub.Client, rooms ...hub.Room) (id int64) {
	t.Helper()
	return tell(t, c, "subscribe", map[string][]hub.Room{"rooms": rooms})
}

// acked waits for an ack that must be the next of all acks, reads it, and
// returns the offsets of the events before it.
func acked(t testing.TB, c *hub.Client, id int64, data any) (before []uint64) {
	t.Helper()
	for e := range c.Events() {
		switch {
		case e.Ack == nil && e.Offset != 0:
			before = append(before, e.Offset)
		case e.Ack != nil && (e.Ack.ID != id || e.Ack.Err != nil):
			t.Fatalf("ack %d came with %v, want %d without an error", e.Ack.ID, e.Ack.Err, id)
		case e.Ack != nil:
			if err := json.Unmarshal(e.Ack.Data, data); err != nil {
				t.Fatal(err)
			}
			return before
		}
	}
	t.Fatalf("the connection ended before ack %d: %v", id, c.Err())
	return nil
}

func TestAReplayLargerThanWhatMayWaitIsReadAtTheClientsPace(t *testing.T) {
	h := open(t, config(t))
	old := h.mesh.Gateways()[0]
	const count, bytes = 3000, 4 << 10 // 12 MB, more than sockets hold
	all := h.bulk("task:42", count, bytes)
	h.follows(old)
	for where, g := range map[string]*gateway.Server{"from memory": old, "from the log": h.newborn()} {
		t.Run(where, func(t *testing.T) {
			first := len(all)
			c := slowly(t, g)
			id := subscribe(t, c, hub.Room{Room: "task:42", Since: h.at(0)})
			// More than may wait for a client that is in the room.
			all = append(all, h.bulk("task:42", 1500, bytes)...)
			var in hub.Subscribed
			if before := acked(t, c, id, &in); len(before) > 0 || len(in.Rooms) != 1 {
				t.Fatalf("entered as %+v after %d events", in, len(before))
			}
			if told := in.Rooms[0]; told.Recovered == nil || !*told.Recovered || told.Missed < first {
				t.Fatalf("entered as %+v, want %d missed at least", told, first)
			}
			heardExactly(t, c, "task:42", all)
			all = append(all, h.event("task:42", 0))
			heardExactly(t, c, "task:42", all[len(all)-1:])
		})
	}
}

func TestNobodyIsReplayedARoomThatItHasLeft(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	all := h.bulk("task:42", 3000, 4<<10)
	h.follows(g)
	c := slowly(t, g)
	acked(t, c, subscribe(t, c, hub.Room{Room: "task:42", Since: h.at(0)}), &hub.Subscribed{})
	out := tell(t, c, "unsubscribe", map[string][]string{"rooms": {"task:42"}})
	heard := acked(t, c, out, &struct{}{})
	if len(heard) == len(all) || !slices.Equal(heard, all[:len(heard)]) {
		t.Errorf("heard %d of %d events before it left, or others", len(heard), len(all))
	}
	enter(t, c, hub.Room{Room: "task:other"})
	h.event("task:42", 0)
	h.nothingMore(c, "task:other")
}

func TestALeftRoomTakesNoAnswerOfTheOneBesideIt(t *testing.T) {
	h := open(t, config(t))
	a, b := h.events("task:a", 3), h.events("task:b", 3)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	in := subscribe(t, c, hub.Room{Room: "task:a", Since: h.at(a[0])}, hub.Room{Room: "task:b", Since: h.at(b[0])})
	out := tell(t, c, "unsubscribe", map[string][]string{"rooms": {"task:a"}}) // before authz has answered, or soon after
	var ofB []uint64
	for answers := 0; answers < 2 || len(ofB) < 2; {
		e := <-c.Events()
		switch {
		case e.Ack == nil && e.Room == "task:b":
			ofB = append(ofB, e.Offset)
		case e.Ack != nil && e.Ack.ID == in:
			var got hub.Subscribed
			if err := json.Unmarshal(e.Ack.Data, &got); err != nil {
				t.Fatal(err)
			}
			answered(t, got.Rooms[len(got.Rooms)-1], 2)
			answers++
		case e.Ack != nil && e.Ack.ID == out:
			answers++
		}
	}
	if !slices.Equal(ofB, b[1:]) {
		t.Errorf("heard %v of task:b, want %v", ofB, b[1:])
	}
}

func TestAMemberThatGivesItsPositionAgainIsReplayedAgain(t *testing.T) {
	h := open(t, config(t))
	c := dial(t, h.mesh.Gateways()[0], "ann")
	enter(t, c, hub.Room{Room: "task:42"})
	all := h.events("task:42", 10)
	heardExactly(t, c, "task:42", all)
	for _, from := range []int{9, 4, 0} {
		answered(t, enter(t, c, hub.Room{Room: "task:42", Since: h.at(all[from])}), 9-from)
		heardExactly(t, c, "task:42", all[from+1:])
	}
	h.nothingMore(c, "task:42")
}

func TestAMemberThatAsksAgainDuringItsReplayIsNotLetInAhead(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	all := h.bulk("task:42", 3000, 4<<10)
	h.follows(g)
	c := slowly(t, g)
	first := subscribe(t, c, hub.Room{Room: "task:42", Since: h.at(0)})
	var in hub.Subscribed
	acked(t, c, first, &in)
	again := subscribe(t, c, hub.Room{Room: "task:42"})
	all = append(all, h.bulk("task:42", 100, 100)...)
	var anew hub.Subscribed
	before := acked(t, c, again, &anew)
	if !slices.Equal(before, all[:len(before)]) {
		t.Fatalf("the %d events before the second answer are not the room's first", len(before))
	}
	if at := anew.Rooms[0].Offset; len(before) < len(all) && at >= all[len(before)] {
		t.Errorf("told the position %d in the middle of a replay that is at %d", at, all[max(0, len(before)-1)])
	}
	heardExactly(t, c, "task:42", all[len(before):])
	h.nothingMore(c, "task:42")
}

func TestAHeartbeatNeverClaimsMoreThanWasHeard(t *testing.T) {
	h := open(t, config(t))
	old := h.mesh.Gateways()[0]
	all := h.bulk("task:42", 3000, 1<<10)
	h.follows(old)
	for where, g := range map[string]*gateway.Server{"from memory": old, "from the log": h.newborn()} {
		t.Run(where, func(t *testing.T) {
			c := slowly(t, g)
			in := subscribe(t, c, hub.Room{Room: "task:42", Since: h.at(0)}, hub.Room{Room: "task:quiet"})
			acked(t, c, in, &hub.Subscribed{})
			heard, beats := 0, 0
			for heard < len(all) {
				var p hub.Pulse
				before := acked(t, c, tell(t, c, "heartbeat", nil), &p)
				if !slices.Equal(before, all[heard:heard+len(before)]) {
					t.Fatalf("the events after the %dth are not the room's next", heard)
				}
				heard += len(before)
				beats++
				if heard < len(all) && p.Position.Offset >= all[heard] {
					t.Fatalf("the position %d is told after %d events, before the one at %d", p.Position.Offset, heard, all[heard])
				}
				if heard < len(all) { // let it get on: beats come faster than pages
					heardExactly(t, c, "task:42", all[heard:heard+1])
					heard++
				}
			}
			var p hub.Pulse
			if acked(t, c, tell(t, c, "heartbeat", nil), &p); p.Position.Offset < all[len(all)-1] {
				t.Errorf("the position %d is told when all up to %d was heard", p.Position.Offset, all[len(all)-1])
			}
			t.Logf("%d beats", beats)
		})
	}
}

func TestTheQuietRoomsPositionMovesWithTheHeartbeat(t *testing.T) {
	cfg := config(t)
	cfg.Store.EventMaxPerRoom = 10
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	c := dial(t, g, "ann")
	in := enter(t, c, hub.Room{Room: "task:quiet"})
	last := h.events("task:loud", 100)[99]
	h.follows(g)
	p, err := c.Heartbeat(t.Context())
	if err != nil || p.Position.Epoch != in.Epoch || p.Position.Offset < last {
		t.Fatalf("the position is %+v, %v; want one behind %d", p.Position, err, last)
	}
}

func TestNothingIsLostDoubledOrMixedUpWhileItIsPublished(t *testing.T) {
	h := open(t, config(t))
	const room, publishers, each = "task:42", 4, 500
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	gateways := []*gateway.Server{h.mesh.Gateways()[0], h.newborn()}
	heard := make([][]uint64, 8)
	for i := range heard {
		wg.Go(func() { heard[i] = comesAndGoes(ctx, t, gateways, i, room) })
	}
	for n := range publishers * each {
		h.event(room, n)
	}
	last := h.event(room, -1)
	h.follows(gateways[0])
	h.follows(gateways[1])
	stop()
	wg.Wait()
	for i, offsets := range heard {
		want := h.between(room, 0, last)
		if !slices.Equal(offsets, want) {
			t.Errorf("client %d heard %d events, want the room's %d in their order", i, len(offsets), len(want))
		}
	}
}

// comesAndGoes hears a room from its beginning on, and after every few events
// breaks the connection and comes back elsewhere from where it was. When ctx
// has ended it comes a last time for the rest.
func comesAndGoes(ctx context.Context, t *testing.T, gateways []*gateway.Server, seed int, room string) (heard []uint64) {
	position := hub.Position{}
	for round := 0; ; round++ {
		last := ctx.Err() != nil
		c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + gateways[(seed+round)%len(gateways)].Addr().String(), Token: token(t, fmt.Sprintf("user%d", seed))})
		if err != nil {
			t.Error(err)
			return heard
		}
		if position.Epoch == "" {
			position.Epoch = c.Connected().Position.Epoch
		}
		got, err := c.Subscribe(t.Context(), hub.Room{Room: room, Since: &position})
		if err != nil || len(got.Rooms) != 1 || got.Rooms[0].Recovered == nil || !*got.Rooms[0].Recovered {
			t.Errorf("client %d came back from %v to %+v, %v", seed, position, got, err)
			return heard
		}
		most := got.Rooms[0].Missed + (seed*7+round*3)%20
		for n := 0; n < most && (!last || n < got.Rooms[0].Missed); n++ {
			select {
			case e := <-c.Events():
				heard = append(heard, e.Offset)
			case <-ctx.Done():
				most = got.Rooms[0].Missed // what is missed comes in any case
				if n < most {
					heard = append(heard, (<-c.Events()).Offset)
				}
			}
		}
		// All that was missed has come: the ack's position is the client's.
		position.Offset = got.Rooms[0].Offset
		if len(heard) > 0 {
			position.Offset = max(position.Offset, heard[len(heard)-1])
		}
		_ = c.Cut() // whatever became of it
		if last {
			return heard
		}
	}
}

// between reads a room's offsets in (after, upTo] from the log.
func (h *house) between(room string, after, upTo uint64) (offsets []uint64) {
	h.t.Helper()
	for _, e := range h.read(room, after, upTo) {
		offsets = append(offsets, e.Seq)
	}
	return offsets
}
