package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

func TestTenMalformedFramesInAMinuteEndTheConnection(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	k := come(t, h.mesh.Gateways()[0], "ann")
	noted := `{"event":"error","data":{"code":"invalid","message":"<text>"}}`
	acked := `{"ack":5,"error":{"code":"invalid","message":"<text>"}}`
	for _, c := range []struct{ frame, want string }{
		{`hello`, noted}, {``, noted}, {`[1]`, noted}, {`"text"`, noted}, {`{"id":5,"event":`, noted},
		{`{"id":"five","event":"heartbeat"}`, noted}, {`{"id":5}`, acked}, {`{"id":5,"event":7}`, acked}, {`{"id":5,"event":""}`, acked},
	} {
		k.asks(c.frame, c.want)
		k.lives() // what is well formed does not count, nor lift the count
		k.asks(`{"id":6,"event":"subscribe","data":7}`, `{"ack":6,"error":{"code":"invalid","message":"<text>"}}`)
	}
	k.say(`the tenth`)
	k.endsAfter(4400, noted)
}

func TestFaultsOfTheTransportEndWithTheirCode(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.MaxMessage = 64 << 10
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	send := func(f hub.Frame) func(*hub.Socket) error {
		return func(s *hub.Socket) error { return s.Send(f) }
	}
	raw := func(bytes string) func(*hub.Socket) error {
		return func(s *hub.Socket) error { return s.SendRaw([]byte(bytes)) }
	}
	for name, c := range map[string]struct {
		code int
		do   func(*hub.Socket) error
	}{
		"a binary frame":           {1003, send(hub.Frame{Binary: true, Body: []byte{1}})},
		"a message too large":      {1009, send(hub.Frame{Body: make([]byte, 64<<10+1)})},
		"one far too large":        {1009, send(hub.Frame{Body: make([]byte, 4<<20)})}, // is read on, or the code would not arrive
		"too large in two parts":   {1009, raw("\x01\xfe\xff\xff\x00\x00\x00\x00" + strings.Repeat("x", 65535) + "\x80\x82\x00\x00\x00\x00xx")},
		"text that is no UTF-8":    {1007, send(hub.Frame{Body: []byte(`{"event":"` + "\xff" + `"}`)})},
		"a frame without a mask":   {1002, raw("\x81\x02{}")},
		"a reserved bit":           {1002, raw("\xc1\x82\x00\x00\x00\x00{}")},
		"a continuation of no one": {1002, raw("\x80\x82\x00\x00\x00\x00{}")},
		"a goodbye":                {1000, func(s *hub.Socket) error { return s.Bye(1000, "") }},
		"a goodbye with a code":    {4999, func(s *hub.Socket) error { return s.Bye(4999, "tired") }},
	} {
		t.Run(name, func(t *testing.T) {
			k := come(t, g, "ann")
			if err := c.do(k.socket); err != nil {
				t.Fatal(err)
			}
			k.endsAfter(c.code)
		})
	}
	t.Run("but the largest message passes", func(t *testing.T) {
		k := come(t, g, "ann")
		frame := `{"id":1,"event":"heartbeat","data":"`
		k.asks(frame+strings.Repeat("x", 64<<10-len(frame)-2)+`"}`, `{"ack":1,"data":{"time":"<ms>","position":{"epoch":"<text>","offset":"<number>"}}}`)
	})
	t.Run("and so does one in parts with a ping between", func(t *testing.T) {
		k := come(t, g, "ann")
		begin, end := `{"id":1,`, `"event":"heartbeat"}`
		for _, part := range []string{
			"\x01" + string([]byte{0x80 | byte(len(begin))}) + "\x00\x00\x00\x00" + begin,
			"\x89\x80\x00\x00\x00\x00",
			"\x80" + string([]byte{0x80 | byte(len(end))}) + "\x00\x00\x00\x00" + end,
		} {
			if err := k.socket.SendRaw([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		k.hears(`{"ack":1,"data":{"time":"<ms>","position":{"epoch":"<text>","offset":"<number>"}}}`)
	})
}

func TestWhoIsSilentForTwoHeartbeatsIsGone(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.Heartbeat = 2 * time.Second
	cfg.Gateway.Admin = true
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	reads := dial(t, g, "ann") // and so answers pings
	if got := reads.Connected().HeartbeatMs; got != 2000 {
		t.Errorf("heartbeatMs is %d, want 2000", got)
	}
	silent := come(t, g, "bob")
	until(t, patience, func() float64 { return sum(metrics(t, g), "hubmesh_gateway_ends_total") }, func(n float64) bool { return n == 1 })
	silent.endsAfter(4408)
	if _, err := reads.Heartbeat(t.Context()); err != nil {
		t.Errorf("a client that answers pings: %v", err)
	}
}

const (
	// largeBytes is the data of a large event. As many as overflow are more
	// than what the buffers of two sockets take, 10 MB where nobody changed
	// them.
	largeBytes = 200 << 10
	overflow   = 80
)

// large is a large event's data, and how its frame in task:42 begins. Frames
// are compared as texts: to parse so many would take longer than to send them.
func large() (data, frame string) {
	data = `"` + strings.Repeat("x", largeBytes) + `"`
	return data, `{"event":"message","room":"task:42","data":` + data
}

func TestASlowClientIsClosedAndDelaysNobody(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.LastWords = patience // it begins to read when the quick one has heard all
	h := open(t, cfg)
	slow, quick := h.member(t, "slow", "task:42"), h.member(t, "quick", "task:42")
	data, frame := large()
	durable := frame + `,"offset":`
	for n := range overflow {
		h.stored(t, "hub.event.task.42", data)
		if !strings.HasPrefix(quick.hear(), durable) {
			t.Fatalf("the quick client heard another frame than the event %d", n)
		}
	}
	heard := slow.ends(4409)
	for i, f := range heard {
		if !strings.HasPrefix(f, durable+strconv.Itoa(i+1)+",") {
			t.Fatalf("frame %d of the slow client is %.100s…", i, f)
		}
	}
	if len(heard) == overflow {
		t.Error("the slow client heard everything: it was not slow")
	}
}

func TestSignalsMakeRoomForDurableEvents(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	slow, quick := h.member(t, "slow", "task:42"), h.member(t, "quick", "task:42")
	data, frame := large()
	for range overflow {
		h.says(t, "hub.live.task.42", data)
		if quick.hear() != frame+"}" {
			t.Fatal("the quick client heard another frame than the signal")
		}
	}
	small := `{"event":"message","room":"task:42","data":"small","offset":2,"time":"<ms>"}`
	h.stored(t, "hub.event.task.42", data)
	h.stored(t, "hub.event.task.42", `"small"`)
	if !strings.HasPrefix(quick.hear(), frame+`,"offset":1,`) {
		t.Fatal("the quick client heard another frame than the durable event")
	}
	quick.hears(small)
	signals, f := 0, slow.hear()
	for ; f == frame+"}"; f = slow.hear() {
		signals++
	}
	if signals == overflow {
		t.Error("the slow client heard every signal: it was not slow")
	}
	if !strings.HasPrefix(f, frame+`,"offset":1,`) {
		t.Fatalf("after %d signals the slow client heard %.100s…", signals, f)
	}
	slow.hears(small)
	slow.lives()
}
