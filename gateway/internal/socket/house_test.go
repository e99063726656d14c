package socket

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/client"
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/gateway/internal/rights"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// echo is a door of a protocol that says what it hears, so that a test sees
// what the socket made of it. It ends connections as the native one does.
type echo struct{ native.Door }

func (e echo) Meet(h door.Handshake) (door.Hello, string, bool) {
	hello, text, ok := e.Door.Meet(h)
	hello.Talk = echoes{hello.Talk}
	return hello, text, ok
}

type echoes struct{ door.Talk }

func (echoes) Hear(p door.Packet) ([]frame.In, []door.Packet) { return nil, []door.Packet{p} }

// house is what a server of a test stands in.
type house struct {
	*Server
	clients *client.House
	rooms   *room.Rooms
}

// newHouse returns a server for clients that ask nobody: there is no NATS
// behind it.
func newHouse(t testing.TB, change func(*Config)) house {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	m := meter.New(prometheus.NewRegistry())
	rooms := room.New(Frame)
	clients := client.New(client.Config{
		Gateway: "g", FirstNumber: 1, Session: session.Config{AuthWait: time.Hour}, Now: time.Now,
	}, rooms, nil, nil, here.New(here.Config{Gateway: "g", Now: time.Now}, nil, subject.Tree{}, Frame, m, log), rights.New(rights.Config{}, nil, nil, subject.Tree{}, m, log), Frame, m, log)
	cfg := Config{MaxConnections: 1000, MaxMessage: 1 << 20, Heartbeat: 25 * time.Second, LastWords: 2 * time.Second}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, clients, m, log)
	if err != nil {
		t.Fatal(err)
	}
	return house{s, clients, rooms}
}

// open makes a connection of the house over raw, as a handshake does; admitted
// is who it is, or nil.
func (h house) open(t testing.TB, d door.Door, raw net.Conn, admitted *wire.ConnectAnswer) *conn {
	t.Helper()
	hello, text, ok := d.Meet(door.Handshake{})
	if !ok {
		t.Fatal(text)
	}
	if why, ok := h.reserve(); !ok {
		t.Fatal(why)
	}
	c := newConn(h.Server, raw, bufio.NewReader(raw), h.clients.Open(client.Caller{Door: d.Name()}, hello, admitted))
	if leaving, ok := h.release(c); leaving || !ok {
		t.Fatal("the server is draining")
	}
	return c
}

// serveHTTP serves a door on a loopback port until the test ends, and returns
// its address.
func (h house) serveHTTP(t testing.TB, d door.Door) (addr string) {
	t.Helper()
	hs := httptest.NewServer(h.Handler(d))
	t.Cleanup(func() {
		h.Kill()
		hs.Close()
	})
	return hs.Listener.Addr().String()
}

// peer is the other end of a connection.
type peer struct {
	net.Conn
	in *bufio.Reader
}

// patience bounds everything that a test waits for at a real socket.
const patience = 20 * time.Second

// handshake is a WebSocket handshake with more headers.
func handshake(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		strings.Join(append(headers, "\r\n"), "\r\n")
}

// dial opens a WebSocket; what is in first is sent in one go with the
// handshake.
func dial(t testing.TB, addr, path, first string) *peer {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	p := &peer{raw, bufio.NewReader(raw)}
	p.send(t, handshake(path)+first)
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", answer, err)
	}
	_ = answer.Body.Close() // of a switch of protocols: it has none
	return p
}

func (p *peer) send(t testing.TB, bytes string) {
	t.Helper()
	if _, err := io.WriteString(p, bytes); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// next reads a frame as text: the kind and the payload of a message, a pong,
// or of a close the code and its reason; "end" for the end of the connection
// and "cut" for a reset.
func (p *peer) next() string {
	h, payload, err := p.frame()
	switch {
	case errors.Is(err, io.EOF):
		return "end"
	case err != nil:
		return "cut: " + err.Error()
	case h.Masked || h.Rsv != 0 || !h.Fin:
		return "a frame that no server sends"
	}
	switch h.OpCode {
	case ws.OpText:
		return "text " + string(payload)
	case ws.OpBinary:
		return "binary " + string(payload)
	case ws.OpPing:
		return "ping " + string(payload)
	case ws.OpPong:
		return "pong " + string(payload)
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		return strings.TrimSpace("close " + closeName(code) + " " + reason)
	case ws.OpContinuation: // ours are whole
	}
	return "an opcode that no server sends"
}

// frame reads a frame of any size: tests send no more than they can read.
func (p *peer) frame() (h ws.Header, payload []byte, err error) {
	if h, err = ws.ReadHeader(p.in); err != nil {
		return h, nil, err
	}
	payload = make([]byte, h.Length)
	_, err = io.ReadFull(p.in, payload)
	return h, payload, err
}

// all reads frames to the connection's end, or to the first cut.
func (p *peer) all() (heard []string) {
	for {
		s := p.next()
		if s == "end" {
			return heard
		}
		heard = append(heard, s)
		if strings.HasPrefix(s, "cut") {
			return heard
		}
	}
}

// await asks again and again: the system tells a server of a connection's end
// when it likes, and a server tells nobody.
func await(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for late := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(late) {
			t.Fatalf("not in %v", patience)
		}
	}
}
