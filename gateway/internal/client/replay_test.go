package client

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// offsets spells an event as its offset and its payload.
type offsets struct{}

func (offsets) Spell(e frame.Event) []door.Packet {
	return []door.Packet{{Data: append(binary.BigEndian.AppendUint64(nil, e.Offset), e.Data...)}}
}

// TestManyWhoDoNotReadHoldABoundedPartOfThePast has many come back to a room at
// once and read nothing; then they read, and all get on in turn until everybody
// has heard everything, once and in order.
func TestManyWhoDoNotReadHoldABoundedPartOfThePast(t *testing.T) {
	const clients, events, size, bound = 300, 1000, 2000, 4 << 20
	h := &House{cfg: Config{Now: time.Now}, rooms: room.New(func(p []door.Packet) []byte { return p[0].Data }), shares: shares{free: bound}}
	of := subject.Room{Type: "task", ID: "42"}
	for n := range uint64(events) {
		e := frame.Event{Offset: n + 1, Data: bytes.Repeat([]byte("x"), size)}
		h.rooms.Log(room.NewEntry(n+1, of.Key(), size, func() (frame.Event, string, bool) { return e, "", true }))
	}
	all := make([]*Client, clients)
	heard := make([]uint64, clients) // the last offset
	for i := range all {
		c := &Client{house: h, sess: session.New(session.Config{}, time.Now()), member: &room.Member{ID: string(rune(i)), Profile: offsets{}, Outbox: room.NewOutbox()}}
		c.init()
		all[i] = c
		h.rooms.Add(c.member, nil, func(frame.Position) []*room.Line { return nil })
		c.do(func() { c.replay([]session.Replay{{Room: of}}) })
	}
	read := func(i int) (some bool) {
		t.Helper()
		lines, _, _ := all[i].Outbox().Take(nil, 1<<30)
		for _, l := range lines {
			if offset := binary.BigEndian.Uint64(l); offset != heard[i]+1 {
				t.Fatalf("client %d hears %d after %d", i, offset, heard[i])
			}
			heard[i]++
		}
		return len(lines) > 0
	}
	offered := 0
	for _, c := range all {
		offered += len(c.Outbox().Wake()) // something waits for it to be written
	}
	if offered*room.PartBytes > bound || offered < bound/room.PartBytes/2 || !h.shares.wanted() {
		t.Errorf("%d of %d who read nothing were offered a part of %d bytes, want some, of %d bytes together", offered, clients, room.PartBytes, bound)
	}
	for more := true; more; {
		more = false
		for i := range all {
			more = read(i) || heard[i] < events || more
		}
	}
	if h.shares.free != bound || h.shares.wanted() {
		t.Errorf("%d bytes are free at the end, want %d", h.shares.free, bound)
	}
}

// TestAReplayOfSeveralRoomsMayFindTheConnectionEnded, since a client may go
// while it is looked up what it missed.
func TestAReplayOfSeveralRoomsMayFindTheConnectionEnded(t *testing.T) {
	h := &House{cfg: Config{Now: time.Now}, rooms: room.New(func(p []door.Packet) []byte { return p[0].Data }), shares: shares{free: 1 << 20}}
	c := &Client{house: h, sess: session.New(session.Config{}, time.Now()), member: &room.Member{ID: "c", Profile: offsets{}, Outbox: room.NewOutbox()}}
	c.init()
	h.rooms.Add(c.member, nil, func(frame.Position) []*room.Line { return nil })
	c.Outbox().Finish(frame.GoingAway)
	c.do(func() {
		c.replay([]session.Replay{{Room: subject.Room{Type: "task", ID: "1"}}, {Room: subject.Room{Type: "task", ID: "2"}}})
	})
	if len(c.replays) != 0 || h.shares.free != 1<<20 {
		t.Errorf("%d rooms are replayed to a connection that has ended, %d bytes are free", len(c.replays), h.shares.free)
	}
}
