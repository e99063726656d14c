package socket

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubmesh/hubmesh/gateway/internal/client"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// conn is one WebSocket. Its reader is the goroutine of serve, its writer the
// one that serve starts and waits for.
type conn struct {
	server *Server
	raw    net.Conn
	in     *bufio.Reader
	client *client.Client

	heard  atomic.Int64 // unix ns of the last frame of any kind
	pinged time.Time    // only tick uses it
	hurry  bool         // only tick uses it: the last write has a deadline

	mu   sync.Mutex // guards echo
	echo ws.StatusCode
}

func newConn(s *Server, raw net.Conn, in *bufio.Reader, c *client.Client) *conn {
	now := time.Now()
	k := &conn{server: s, raw: raw, in: in, client: c, pinged: now}
	k.heard.Store(now.UnixNano())
	return k
}

// serve reads until the connection's end, and returns when nothing of it is
// left.
func (c *conn) serve() {
	defer c.server.remove(c)
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.read()
	// The reader ends first when the client has gone: whoever waits to write
	// need not any more.
	c.client.Outbox().Finish(frame.GoingAway)
	writer.Wait()
	c.client.Closed()
}

// cut ends the connection at once; reader and writer see it fail.
func (c *conn) cut() { _ = c.raw.Close() } // of a connection that is given up nothing is left to tell

// tick pings a silent client, gives up one that stays silent, and does not let
// a close wait for a client that reads nothing.
func (c *conn) tick(now time.Time) {
	c.client.Tick(now)
	beat := c.server.cfg.Heartbeat
	silent := now.Sub(time.Unix(0, c.heard.Load()))
	_, ended := c.client.Outbox().End()
	switch {
	case ended:
		if !c.hurry {
			c.hurry = true
			_ = c.raw.SetWriteDeadline(now.Add(c.server.cfg.LastWords)) // fails only when it is closed already
		}
	case silent >= 2*beat:
		c.client.End(frame.NoHeartbeat)
	case silent >= beat && now.Sub(c.pinged) >= beat:
		c.pinged = now
		c.client.Outbox().Offer(&room.Line{Wire: ws.CompiledPing})
	}
}
