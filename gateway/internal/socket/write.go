package socket

import (
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// atOnce is how many bytes are written in one call where more waits.
const atOnce = 64 << 10

// Frame puts packets into WebSocket frames, as servers send them: unmasked, so
// the same bytes serve every client.
func Frame(packets []door.Packet) []byte {
	n := 0
	for _, p := range packets {
		n += ws.HeaderSize(header(p)) + len(p.Data)
	}
	b := &buffer{b: make([]byte, 0, n)}
	for _, p := range packets {
		if err := ws.WriteHeader(b, header(p)); err != nil {
			panic("socket: frame: " + err.Error()) // a buffer takes everything
		}
		b.b = append(b.b, p.Data...)
	}
	return b.b
}

type buffer struct{ b []byte }

func (b *buffer) Write(p []byte) (int, error) { b.b = append(b.b, p...); return len(p), nil }

func header(p door.Packet) ws.Header {
	op := ws.OpText
	if p.Binary {
		op = ws.OpBinary
	}
	return ws.Header{Fin: true, OpCode: op, Length: int64(len(p.Data))}
}

// write writes what waits, all of it in one call, until the outbox has ended;
// then the last words and the close frame.
func (c *conn) write() {
	out := c.client.Outbox()
	var lines [][]byte
	for range out.Wake() {
		for {
			var end frame.End
			var over bool
			lines, end, over = out.Take(lines[:0], atOnce)
			if over {
				c.bye(end)
				return
			}
			if len(lines) == 0 {
				break
			}
			c.server.meter.Out.Add(float64(len(lines)))
			waiting := net.Buffers(lines)
			if _, err := waiting.WriteTo(c.raw); err != nil {
				out.Finish(frame.GoingAway)
				_, end, _ = out.Take(nil, 0) // lets go of who waits; the first end holds
				c.client.Bye(end)
				c.cut()
				return
			}
		}
	}
}

// bye writes the last words. What the client still sends is read and thrown
// away for a while: closing a socket with unread bytes makes the system reset
// it, and the client would never see the code.
func (c *conn) bye(end frame.End) {
	last, code, reason := c.client.Bye(end)
	status := ws.StatusCode(code) //nolint:gosec // close codes are below 5000
	if echo := c.echoed(); echo != 0 {
		status, reason = echo, ""
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.server.cfg.LastWords)) // fails only when it is closed already
	last = append(last, ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(status, reason)))...)
	if _, err := c.raw.Write(last); err != nil {
		c.cut()
		return
	}
	c.server.log.Debug("socket: closed", obs.Conn, c.client.ID(), "code", int(status))
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the client may have gone first
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(c.server.cfg.LastWords))
}

// echoed is the code of the client's own close frame, or 0.
func (c *conn) echoed() ws.StatusCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.echo
}
