package hub

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	// mostBytes bounds one message of the gateway. NATS carries up to 64 MB at
	// most, and base64 adds a third; our servers are set to 2 MB.
	mostBytes = 16 << 20

	// writeWait bounds one write, so that a gateway that does not read blocks
	// nobody for ever.
	writeWait = 10 * time.Second
)

// Socket is an open WebSocket to a gateway. Any goroutine may write; one at a
// time may read.
type Socket struct {
	conn net.Conn
	in   wsutil.Reader

	mu sync.Mutex // guards writing: frames of two goroutines do not mix
}

// Frame is one message of WebSocket.
type Frame struct {
	Binary bool // text otherwise
	Body   []byte
}

// Open does the handshake and nothing more: no frame is sent or read. A
// handshake that the gateway answers with another status is a *Refused.
func Open(ctx context.Context, cfg Config) (*Socket, error) {
	address, err := cfg.address()
	if err != nil {
		return nil, err
	}
	header, protocols := cfg.headers()
	var refused *Refused
	dialer := ws.Dialer{
		Header:    ws.HandshakeHeaderHTTP(header),
		Protocols: protocols,
		OnStatusError: func(status int, _ []byte, response io.Reader) {
			refused = readRefusal(status, response)
		},
	}
	conn, early, _, err := dialer.Dial(ctx, address)
	if err != nil {
		if refused != nil {
			return nil, refused
		}
		return nil, fmt.Errorf("hub: connect: %w", err)
	}
	s := &Socket{conn: conn}
	s.in = wsutil.Reader{
		Source: source(conn, early), State: ws.StateClientSide,
		CheckUTF8: true, MaxMessageSize: mostBytes, OnIntermediate: s.control,
	}
	return s, nil
}

// source reads what came together with the handshake's answer before the rest.
func source(conn net.Conn, early *bufio.Reader) io.Reader {
	if early == nil {
		return bufio.NewReader(conn)
	}
	return early // it reads from conn when its buffer is empty
}

func readRefusal(status int, response io.Reader) *Refused {
	r := &Refused{Status: status}
	resp, err := http.ReadResponse(bufio.NewReader(response), nil)
	if err != nil {
		return r // the status line was read: it tells enough
	}
	defer resp.Body.Close() //nolint:errcheck // nothing is lost: it was only read
	r.RetryAfter = retryAfter(resp.Header)
	var body struct {
		Error fault `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body); err == nil {
		r.Code, r.Message = body.Error.Code, body.Error.Message
	}
	return r
}

// Read returns the next message, and answers pings on the way. The gateway's
// close frame is answered and returned as *Closed. After any error, ctx's end
// too, the socket can only be closed.
func (s *Socket) Read(ctx context.Context) (Frame, error) {
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(past) }) //nolint:errcheck // fails on a closed socket only, whose read ends anyway
	defer stop()
	for {
		h, err := s.in.NextFrame()
		if err == nil && h.OpCode.IsControl() {
			if err = s.control(h, &s.in); err == nil {
				continue
			}
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(&s.in)
		}
		if err != nil {
			return Frame{}, s.readFault(ctx, err)
		}
		return Frame{Binary: h.OpCode == ws.OpBinary, Body: body}, nil
	}
}

func (s *Socket) readFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if closed := (*Closed)(nil); errors.As(err, &closed) {
		return closed
	}
	return fmt.Errorf("hub: read: %w", err)
}

// control answers a ping and a close frame, and throws a pong away.
func (s *Socket) control(h ws.Header, r io.Reader) error {
	body, err := io.ReadAll(io.LimitReader(r, h.Length))
	if err != nil {
		return err
	}
	switch h.OpCode { //nolint:exhaustive // the others are no control frames
	case ws.OpPing:
		return s.write(ws.NewPongFrame(body))
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameDataUnsafe(body)
		closed := &Closed{int(code), reason}
		echo := ws.NewCloseFrameBody(code, "")
		if code.Empty() {
			echo = nil
		}
		if err := s.write(ws.NewCloseFrame(echo)); err != nil {
			return closed // why it ended matters more than that the echo got lost
		}
		return closed
	}
	return nil
}

// Send writes one message.
func (s *Socket) Send(f Frame) error {
	if f.Binary {
		return s.write(ws.NewBinaryFrame(f.Body))
	}
	return s.write(ws.NewTextFrame(f.Body))
}

// Ping writes a ping.
func (s *Socket) Ping() error { return s.write(ws.NewPingFrame(nil)) }

// Bye writes a close frame. The gateway's own comes with Read.
func (s *Socket) Bye(code int, reason string) error {
	return s.write(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason))) //nolint:gosec // a status is below 5000
}

func (s *Socket) write(f ws.Frame) error {
	bytes, err := ws.CompileFrame(ws.MaskFrame(f)) // MaskFrame copies: the caller keeps its bytes
	if err != nil {
		return fmt.Errorf("hub: spell frame: %w", err)
	}
	return s.SendRaw(bytes)
}

// SendRaw writes bytes as they are, be they a frame or not.
func (s *Socket) SendRaw(bytes []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return fmt.Errorf("hub: write: %w", err)
	}
	if _, err := s.conn.Write(bytes); err != nil {
		return fmt.Errorf("hub: write: %w", err)
	}
	return nil
}

// Cut ends the connection without a word, as a lost network would.
func (s *Socket) Cut() error {
	if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("hub: cut: %w", err)
	}
	return nil
}
