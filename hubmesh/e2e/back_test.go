package e2e

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// events publishes count durable events to a room and returns their offsets.
func (h *house) events(room string, count int) (offsets []uint64) {
	h.t.Helper()
	for n := range count {
		offsets = append(offsets, h.event(room, n))
	}
	return offsets
}

// newborn starts a gateway that heard nothing of the log until now, so that it
// has to read everything back.
func (h *house) newborn() *gateway.Server {
	h.t.Helper()
	g, err := h.mesh.AddGateway(h.t.Context(), h.mesh.Login(subject.Gateway))
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

// log asks the leader what the log is now.
func (h *house) log() follow.State {
	h.t.Helper()
	st, err := follow.NewReader(h.nc, follow.Config{Stream: subject.Tree{}.Stream(subject.Events)}).State(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

// read is what the log holds of a room in (after, upTo].
func (h *house) read(room string, after, upTo uint64) (entries []follow.Entry) {
	h.t.Helper()
	of, err := subject.ParseRoom(room)
	if err != nil {
		h.t.Fatal(err)
	}
	tree := subject.Tree{}
	reader := follow.NewReader(h.nc, follow.Config{Stream: tree.Stream(subject.Events)})
	epoch := h.log().Epoch
	for {
		page, err := reader.Read(h.t.Context(), epoch, tree.Event(of), after, upTo)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page) == 0 {
			return entries
		}
		entries = append(entries, page...)
		after = page[len(page)-1].Seq
	}
}

// at is a position in the log as it is now.
func (h *house) at(offset uint64) *hub.Position {
	h.t.Helper()
	return &hub.Position{Epoch: h.log().Epoch, Offset: offset}
}

// anew deletes the log and makes it again.
func (h *house) anew(cfg store.Config) {
	h.t.Helper()
	if err := h.js.DeleteStream(h.t.Context(), subject.Tree{}.Stream(subject.Events)); err != nil {
		h.t.Fatal(err)
	}
	h.setup(cfg)
}

func (h *house) setup(cfg store.Config) {
	h.t.Helper()
	if err := store.Setup(h.t.Context(), h.nc, subject.Tree{}, cfg, slog.New(slog.DiscardHandler)); err != nil {
		h.t.Fatal(err)
	}
}

// follows waits until a gateway has heard everything that is stored now: until
// it has told a member of a room of its own of an event behind it.
func (h *house) follows(g *gateway.Server) {
	h.t.Helper()
	c := dial(h.t, g, "witness")
	room := "task:witness-" + c.Connected().Connection
	enter(h.t, c, hub.Room{Room: room})
	heardExactly(h.t, c, room, h.events(room, 1))
	if err := c.Cut(); err != nil {
		h.t.Fatal(err)
	}
}

// heardExactly reads events and fails unless they are those of the room at the
// offsets, in this order and with nothing between.
func heardExactly(t testing.TB, c *hub.Client, room string, offsets []uint64) {
	t.Helper()
	for i, want := range offsets {
		if e := hear(t, c); e.Room != room || e.Offset != want {
			t.Fatalf("the %dth of %d events heard is %s %d, want %s %d", i+1, len(offsets), e.Room, e.Offset, room, want)
		}
	}
}

// nothingMore fails if the client hears anything before an event that is
// published to the room now.
func (h *house) nothingMore(c *hub.Client, room string) {
	h.t.Helper()
	heardExactly(h.t, c, room, h.events(room, 1))
}

// answered fails unless an entered room tells this of the past; missed below
// zero: that nothing was recovered.
func answered(t testing.TB, in hub.Entered, missed int) {
	t.Helper()
	switch {
	case in.Recovered == nil:
		t.Fatalf("%s was entered without a word on what was missed", in.Room)
	case *in.Recovered != (missed >= 0):
		t.Fatalf("%s was entered with recovered %v, want %v: %+v", in.Room, *in.Recovered, missed >= 0, in)
	case in.Missed != max(0, missed):
		t.Fatalf("%s was entered with %d missed, want %d", in.Room, in.Missed, max(0, missed))
	}
}

func TestAClientThatComesBackHearsWhatItMissed(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	first := dial(t, h.mesh.Gateways()[0], "ann")
	was := enter(t, first, hub.Room{Room: "task:42"})
	before := h.events("task:42", 3)
	heardExactly(t, first, "task:42", before)
	if err := first.Cut(); err != nil {
		t.Fatal(err)
	}
	var missed []uint64
	for range 40 {
		missed = append(missed, h.event("task:42", 0))
		h.event("task:other", 0)
	}
	gateways := map[string]*gateway.Server{
		"to the same gateway": h.mesh.Gateways()[0], "to another": h.mesh.Gateways()[1], "to one that was not there": h.newborn(),
	}
	for name, g := range gateways {
		h.follows(g)
		for from, since := range map[string]uint64{"from where it entered": was.Offset, "from what it heard": before[2]} {
			t.Run(name+" "+from, func(t *testing.T) {
				want := missed
				if since == was.Offset {
					want = append(slices.Clone(before), missed...)
				}
				c := dial(t, g, "ann")
				in := enter(t, c, hub.Room{Room: "task:42", Since: &hub.Position{Epoch: was.Epoch, Offset: since}})
				answered(t, in, len(want))
				heardExactly(t, c, "task:42", want)
				missed = append(missed, h.event("task:42", 1))
				heardExactly(t, c, "task:42", missed[len(missed)-1:])
			})
		}
	}
}

func TestTheNewestEventsComeWithLast(t *testing.T) {
	cfg := config(t)
	h := open(t, cfg)
	all := h.events("task:42", 30)
	for range 300 {
		h.event("task:other", 0)
	}
	old := h.mesh.Gateways()[0]
	for name, g := range map[string]*gateway.Server{"from memory": old, "from the log": h.newborn()} {
		h.follows(g)
		for _, last := range []int{1, 2, 29, 30, 31, 200} {
			t.Run(fmt.Sprintf("%s, %d", name, last), func(t *testing.T) {
				c := dial(t, g, "ann")
				in := enter(t, c, hub.Room{Room: "task:42", Last: last})
				want := all[max(0, len(all)-last):]
				if in.Recovered != nil || in.Missed != len(want) {
					t.Fatalf("entered as %+v, want %d missed and no word on recovery", in, len(want))
				}
				heardExactly(t, c, "task:42", want)
				all = append(all, h.event("task:42", 0))
				heardExactly(t, c, "task:42", all[len(all)-1:])
			})
		}
		t.Run(name+", since beats it", func(t *testing.T) {
			c := dial(t, g, "ann")
			answered(t, enter(t, c, hub.Room{Room: "task:42", Since: h.at(all[25]), Last: 2}), len(all)-26)
			heardExactly(t, c, "task:42", all[26:])
		})
		t.Run(name+", of an empty room", func(t *testing.T) {
			c := dial(t, g, "ann")
			if in := enter(t, c, hub.Room{Room: "task:empty-" + c.Connected().Connection, Last: 5}); in.Missed != 0 {
				t.Fatalf("%d missed of an empty room", in.Missed)
			}
			h.nothingMore(c, "task:empty-"+c.Connected().Connection)
		})
	}
}

func TestSeveralRoomsRecoverEachFromItsOwnPosition(t *testing.T) {
	h := open(t, config(t))
	a, b := h.events("task:a", 5), h.events("task:b", 5)
	for name, g := range map[string]*gateway.Server{"from memory": h.mesh.Gateways()[0], "from the log": h.newborn()} {
		t.Run(name, func(t *testing.T) {
			h.follows(g)
			c := dial(t, g, "ann")
			got, err := c.Subscribe(t.Context(),
				hub.Room{Room: "task:a", Since: h.at(a[1])}, hub.Room{Room: "secret:x", Since: h.at(0)},
				hub.Room{Room: "task:c"}, hub.Room{Room: "task:b", Since: h.at(b[3])}, hub.Room{Room: "task:d", Since: &hub.Position{Epoch: "other", Offset: 1}})
			if err != nil || len(got.Rooms) != 4 || len(got.Denied) != 1 {
				t.Fatalf("subscribe: %+v, %v", got, err)
			}
			answered(t, got.Rooms[0], 3)
			answered(t, got.Rooms[2], 1)
			answered(t, got.Rooms[3], -1)
			if got.Rooms[1].Recovered != nil {
				t.Errorf("a room without since was entered as %+v", got.Rooms[1])
			}
			heard := map[string][]uint64{}
			for range 4 {
				e := hear(t, c)
				heard[e.Room] = append(heard[e.Room], e.Offset)
			}
			if !slices.Equal(heard["task:a"], a[2:]) || !slices.Equal(heard["task:b"], b[4:]) {
				t.Errorf("heard %v, want of task:a %v and of task:b %v", heard, a[2:], b[4:])
			}
		})
	}
}

func TestAConnectionsOwnRoomsRecoverFromTheHandshake(t *testing.T) {
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	c := dial(t, g, "ann")
	since := c.Connected().Position
	if err := c.Cut(); err != nil {
		t.Fatal(err)
	}
	mine, all := h.events("user:ann", 3), h.events("hub:all", 2)
	h.events("user:bob", 4)
	type story struct {
		since hub.Position
		mine  []uint64
		all   []uint64
		lost  bool
	}
	stories := map[string]story{
		"nothing heard yet":         {since: since, mine: mine, all: all},
		"something heard":           {since: hub.Position{Epoch: since.Epoch, Offset: mine[1]}, mine: mine[2:], all: all},
		"everything heard":          {since: hub.Position{Epoch: since.Epoch, Offset: all[1]}},
		"another epoch":             {since: hub.Position{Epoch: "other", Offset: mine[1]}, lost: true},
		"a position yet to come":    {since: hub.Position{Epoch: since.Epoch, Offset: 1 << 40}, lost: true},
		"what is no epoch any more": {since: hub.Position{Epoch: since.Epoch + "-1", Offset: 0}, lost: true},
	}
	for where, g := range map[string]*gateway.Server{"from memory": g, "from the log": h.newborn()} {
		h.follows(g)
		for how, bring := range map[string]hub.Bring{"by query": hub.ByHeader, "by frame": hub.ByFrame} {
			for name, s := range stories {
				t.Run(where+" "+how+" "+name, func(t *testing.T) {
					ownRooms(t, h, g, bring, s.since, s.mine, s.all, s.lost)
				})
			}
		}
	}
}

// ownRooms comes back as ann and fails unless exactly these events of her room
// and of everyone's are heard.
func ownRooms(t *testing.T, h *house, g *gateway.Server, bring hub.Bring, since hub.Position, mine, all []uint64, lost bool) {
	t.Helper()
	c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, "ann"), Bring: bring, Since: since})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Cut() //nolint:errcheck // the story is over
	hello := c.Connected()
	if hello.Recovered == nil || *hello.Recovered == lost || hello.Missed != len(mine)+len(all) {
		t.Fatalf("greeted with %+v, want recovered %v and %d missed", hello, !lost, len(mine)+len(all))
	}
	if !lost && hello.Position.Offset < since.Offset {
		t.Errorf("greeted with the position %v, below since %v", hello.Position, since)
	}
	heard := map[string][]uint64{}
	for range len(mine) + len(all) {
		e := hear(t, c)
		heard[e.Room] = append(heard[e.Room], e.Offset)
	}
	if !slices.Equal(heard["user:ann"], mine) || !slices.Equal(heard["hub:all"], all) {
		t.Fatalf("heard %v, want of user:ann %v and of hub:all %v", heard, mine, all)
	}
	m := nats.NewMsg(subject.Tree{}.Live(subject.User("ann")))
	m.Data = []byte(`1`)
	if err := h.nc.PublishMsg(m); err != nil { // a signal, so that later stories find no more
		t.Fatal(err)
	}
	if e := <-c.Events(); e.Room != "user:ann" || e.Offset != 0 {
		t.Errorf("heard %s instead of the signal", e.Raw)
	}
}
