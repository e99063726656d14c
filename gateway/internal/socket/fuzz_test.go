package socket

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// script is a connection whose client has said all it will ever say, and keeps
// what it hears.
type script struct {
	io.Reader
	heard bytes.Buffer
}

func (s *script) Write(b []byte) (int, error)    { return s.heard.Write(b) }
func (*script) Close() error                     { return nil }
func (*script) LocalAddr() net.Addr              { return nil }
func (*script) RemoteAddr() net.Addr             { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// FuzzFrames takes any bytes for what a client says after its handshake. The
// connection ends, and what the client hears are frames that a server may
// send: no more than it was owed, and after a close nothing.
func FuzzFrames(f *testing.F) {
	for _, group := range []map[string]conversation{messages(), pings(), reserved(), fragments(), lengths(), closes()} {
		for _, c := range group {
			if len(c.sends) < 1<<10 {
				f.Add([]byte(c.sends))
			}
		}
	}
	f.Fuzz(func(t *testing.T, sends []byte) {
		h := newHouse(t, func(c *Config) { c.MaxMessage = 1 << 12 })
		raw := &script{Reader: bytes.NewReader(sends)}
		h.open(t, echo{}, raw, nil).serve()
		heard := (&peer{raw, bufio.NewReader(&raw.heard)}).all()
		for i, frame := range heard {
			kind, _, _ := strings.Cut(frame, " ")
			switch kind {
			case "text", "binary", "pong":
			case "close":
				if i != len(heard)-1 {
					t.Errorf("%s follows a close", heard[i+1])
				}
			default:
				t.Errorf("heard %q", frame)
			}
		}
		if h.Open() != 0 || h.rooms.Len() != 0 {
			t.Errorf("%d connections, %d clients are left", h.Open(), h.rooms.Len())
		}
	})
}

func TestAHeaderDoesNotCostWhatItAnnounces(t *testing.T) {
	const clients, most = 32, 1 << 20
	h := newHouse(t, func(c *Config) { c.MaxMessage = most })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range clients {
		h.open(t, echo{}, &script{Reader: strings.NewReader(string(head(fin|bin, most, true)) + "mask")}, nil).serve()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / clients; each > 4*piece {
		t.Errorf("a header that announces %d bytes cost %d", most, each)
	}
}
