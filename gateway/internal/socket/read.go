package socket

import (
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// breach is a fault of the client's after which the connection ends.
type breach struct{ end frame.End }

func (b breach) Error() string { return "socket: " + b.end.String() }

// errClosed says that the client has sent its close frame.
var errClosed = errors.New("socket: closed by the client")

// read hears the client until the connection's end.
func (c *conn) read() {
	defer c.cut()
	for {
		p, err := c.message()
		var b breach
		switch {
		case err == nil:
			c.client.Hear(p)
			continue
		case errors.As(err, &b):
			c.client.End(b.end)
		case errors.Is(err, errClosed):
			c.client.End(frame.GoingAway)
		default:
			return // the transport has failed, or the last words are over
		}
		c.discard()
		return
	}
}

// discard reads and throws away until the writer has closed and the client has
// too, or the time for last words is over.
func (c *conn) discard() {
	_ = c.raw.SetReadDeadline(time.Now().Add(c.server.cfg.LastWords)) // fails only when it is closed already
	_, _ = io.Copy(io.Discard, c.in)                                  // its end is what is waited for, not its success
}

// message reads one whole message, answering control frames in between
// (RFC 6455, 5.4: they may stand between fragments).
func (c *conn) message() (p door.Packet, err error) {
	var begun bool
	for {
		h, err := ws.ReadHeader(c.in)
		switch {
		case errors.Is(err, ws.ErrHeaderLengthMSB): // 5.2: the most significant bit must be 0
			return p, breach{frame.Protocol}
		case err != nil:
			return p, err
		}
		c.heard.Store(time.Now().UnixNano())
		if err := check(h, begun); err != nil {
			return p, err
		}
		if h.OpCode.IsControl() {
			if err := c.control(h); err != nil {
				return p, err
			}
			continue
		}
		if h.Length > c.server.cfg.MaxMessage-int64(len(p.Data)) { // their sum may be more than 63 bits
			return p, breach{frame.TooLarge}
		}
		if !begun {
			begun, p.Binary = true, h.OpCode == ws.OpBinary
		}
		if p.Data, err = c.payload(p.Data, h); err != nil {
			return p, err
		}
		if !h.Fin {
			continue
		}
		if !p.Binary && !utf8.Valid(p.Data) {
			return p, breach{frame.NotUTF8}
		}
		return p, nil
	}
}

// piece is how much of a payload is made room for before it comes. A header
// alone must not cost what it announces: many clients may send one and wait.
const piece = 32 << 10

// payload reads a frame's payload behind data.
func (c *conn) payload(data []byte, h ws.Header) ([]byte, error) {
	begin := len(data)
	for end := begin + int(h.Length); len(data) < end; {
		at := len(data)
		data = append(data, make([]byte, min(piece, end-at))...)
		if _, err := io.ReadFull(c.in, data[at:]); err != nil {
			return nil, err
		}
	}
	ws.Cipher(data[begin:], h.Mask, 0)
	return data, nil
}

// check holds a frame's header to RFC 6455: masked (5.1), no reserved bit
// without an extension (5.2), control frames short and whole (5.5), and
// fragments in order (5.4).
func check(h ws.Header, begun bool) error {
	state := ws.StateServerSide
	if begun {
		state = state.Set(ws.StateFragmented)
	}
	if ws.CheckHeader(h, state) != nil || h.Length < 0 {
		return breach{frame.Protocol}
	}
	return nil
}

// control answers a ping, a pong or a close.
func (c *conn) control(h ws.Header) error {
	var body [ws.MaxControlFramePayloadSize]byte
	data := body[:h.Length]
	if _, err := io.ReadFull(c.in, data); err != nil {
		return err
	}
	ws.Cipher(data, h.Mask, 0)
	if h.OpCode == ws.OpClose {
		return c.closing(data)
	}
	if h.OpCode == ws.OpPing { // of a pong, that it came is all
		c.client.Outbox().Offer(&room.Line{Wire: ws.MustCompileFrame(ws.NewPongFrame(data))})
	}
	return nil
}

// closing reads a close frame's body: nothing, or a code that may stand on
// the wire and a text (RFC 6455, 7.4).
func (c *conn) closing(data []byte) error {
	code := ws.StatusNormalClosure
	if len(data) > 0 {
		var reason string
		code, reason = ws.ParseCloseFrameData(data)
		if !utf8.ValidString(reason) {
			return breach{frame.NotUTF8}
		}
		if len(data) == 1 || !onTheWire(code) {
			return breach{frame.Protocol}
		}
	}
	c.mu.Lock()
	c.echo = code
	c.mu.Unlock()
	return errClosed
}

// onTheWire reports whether a close code may be sent: those of RFC 6455 but
// the ones that only an API shows, those that IANA added since (1012 to 1014),
// and those of libraries and applications. ws.CheckCloseFrameData refuses the
// second and lets pass what is above 4999.
func onTheWire(code ws.StatusCode) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}
