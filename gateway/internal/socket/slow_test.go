package socket

import (
	"bufio"
	"context"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// small is the size of a buffer in the system with which a client that does
// not read is soon felt. Who reads must not have it: it would be slow, too.
const small = 16 << 10

// tcp makes n connections of one user over loopback. The system buffers what
// the server writes up to a size, or as it likes for 0.
func (h house) tcp(t *testing.T, d door.Door, n, buffer int) (peers []*peer) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for range n {
		near, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = near.Close() })
		far, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		if buffer > 0 {
			if err := far.SetWriteBuffer(buffer); err != nil {
				t.Fatal(err)
			}
		}
		_ = near.SetDeadline(time.Now().Add(patience))
		go h.open(t, d, far, &wire.ConnectAnswer{Allow: true, User: "ann"}).serve()
		peers = append(peers, &peer{near, bufio.NewReader(near)})
	}
	return peers
}

// everyone is the room that every connection is in.
const everyone = "hub.all"

// event is an entry of the log that everyone hears.
func event(offset uint64, size int) *room.Entry {
	data := []byte(`"` + strings.Repeat("x", size) + `"`)
	return room.NewEntry(offset, everyone, size, func() (frame.Event, string, bool) {
		return frame.Event{Name: "e", Room: "hub:all", Data: data, Offset: offset}, "", true
	})
}

// TestWhoDoesNotReadDelaysNobody has 50 clients that never read beside 50 that
// do. Those hear every event in order; the others have heard a part without a
// hole, and are closed or cut.
func TestWhoDoesNotReadDelaysNobody(t *testing.T) {
	const each, events, size = 50, 600, 4 << 10
	h := newHouse(t, func(c *Config) { c.LastWords = 100 * time.Millisecond })
	defer h.tells(t)()
	reading, stuck := h.tcp(t, native.Door{}, each, 0), h.tcp(t, native.Door{}, each, small)
	var wg sync.WaitGroup
	for _, p := range reading {
		wg.Go(func() {
			for offset := range uint64(events + 1) {
				if got := p.offset(t); got != offset {
					t.Errorf("heard offset %d, want %d", got, offset)
					return
				}
			}
		})
	}
	for offset := range uint64(events) {
		h.rooms.Log(event(offset+1, size))
		if offset%64 == 0 {
			h.rooms.Settle(t.Context(), time.Second)
		}
	}
	wg.Wait()
	await(t, func() bool { return h.Open() == each })
	for _, p := range stuck {
		wg.Go(func() { p.wantPart(t, events/2) })
	}
	wg.Wait()
	h.Kill()
	h.wantNoGoroutines(t)
}

// wantPart reads the events from the first on to the connection's end, which
// comes before many.
func (p *peer) wantPart(t *testing.T, many uint64) {
	for heard := range many {
		frame := p.next()
		if frame == "end" || frame == "close 4409 too slow" || strings.HasPrefix(frame, "cut") {
			return
		}
		if got := offsetOf(t, frame); got != heard {
			t.Errorf("heard offset %d, want %d", got, heard)
			return
		}
	}
	t.Errorf("a client that did not read heard %d events", many)
}

// offset is that of the next event; connected has none, so 0.
func (p *peer) offset(t *testing.T) uint64 { return offsetOf(t, p.next()) }

func offsetOf(t *testing.T, frame string) uint64 {
	_, behind, ok := strings.Cut(frame, `,"offset":`)
	if !strings.HasPrefix(frame, `text {"event":"e"`) || !ok {
		if !strings.HasPrefix(frame, `text {"event":"connected"`) {
			t.Errorf("heard %.60q", frame)
		}
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(behind, "}"), 10, 64)
	if err != nil {
		t.Errorf("offset of an event: %v", err)
	}
	return n
}

// TestWhoAsksAndNeverReadsIsGivenUp has clients that ping without end. What is
// owed to them is theirs alone, so it shows whether it is bounded.
func TestWhoAsksAndNeverReadsIsGivenUp(t *testing.T) {
	const clients = 20
	h := newHouse(t, func(c *Config) { c.LastWords = 100 * time.Millisecond })
	defer h.tells(t)()
	asks := strings.Repeat(masked(fin|ping, strings.Repeat("p", width)), 100)
	var wg sync.WaitGroup
	for _, p := range h.tcp(t, echo{}, clients, small) {
		wg.Go(func() {
			sent := 0
			for {
				n, err := p.Write([]byte(asks))
				sent += n
				if err != nil {
					break
				}
			}
			t.Logf("gave up after %d bytes", sent)
		})
	}
	wg.Wait()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if held := m.HeapAlloc / clients; held > 2*room.MaxWaitingBytes {
		t.Errorf("%d bytes are held for each client", held)
	}
	h.Kill()
	h.wantNoGoroutines(t)
}

func TestADrainLeavesNothing(t *testing.T) {
	h := newHouse(t, nil)
	peers := h.tcp(t, native.Door{}, 20, 0)
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() {
			heard := p.all()
			if last := heard[len(heard)-1]; last != "close 1012 restart" {
				t.Errorf("client %d heard %q at the end", i, last)
			}
			_ = p.Close()
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h.Drain(ctx, patience)
	if ctx.Err() != nil || h.Open() != 0 {
		t.Errorf("%d connections are left", h.Open())
	}
	wg.Wait()
	h.wantNoGoroutines(t)
}

// wantNoGoroutines waits until no goroutine of a connection is left.
func (h house) wantNoGoroutines(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	await(t, func() bool {
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "socket.(*conn).")
	})
}

// TestTheCodeArrivesWhileTheClientKeepsSending: closing a socket over bytes
// that were not read resets it, and the client would lose the code.
func TestTheCodeArrivesWhileTheClientKeepsSending(t *testing.T) {
	h := newHouse(t, nil)
	p := h.tcp(t, echo{}, 1, 0)[0]
	if got := p.next(); !strings.HasPrefix(got, "text ") {
		t.Fatalf("heard %q, want connected", got)
	}
	code, over := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(over)
		code <- p.next()
	}()
	p.send(t, masked(fin|0x3, ""))
	flood := strings.Repeat(masked(fin|text, "x"), 1000)
	for sending := true; sending; {
		p.send(t, flood)
		select {
		case <-over:
			sending = false
		default:
		}
	}
	if got := <-code; got != fault {
		t.Errorf("heard %q, want %q", got, fault)
	}
	_ = p.Close()
	await(t, func() bool { return h.Open() == 0 })
}
