// Package hub is a client of the native door: WebSocket frames of JSON to and
// from a gateway, for the command line and for tests of the whole house.
//
// It does not come back by itself after the connection ended: who uses it
// decides when and from which position. It holds no state of rooms.
//
// Dial authenticates and returns a Client: events come on a channel in the
// order of the wire, and each ask waits for its own ack. Open returns the bare
// Socket below it, for those who want to see or send every frame themselves,
// faulty ones too.
//
// Read hub.go first, then client.go; asks.go has what can be asked, frames.go
// the shapes on the wire, errors.go what may go wrong, socket.go the bytes.
package hub

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Bring says how the token gets to the gateway.
type Bring int

// The ways that the native door knows, in the order in which it looks.
const (
	ByHeader      Bring = iota // Authorization: Bearer
	BySubprotocol              // bearer.<token>, for browsers
	ByQuery                    // ?token=
	ByCookie                   // hubmesh_token
	ByFrame                    // the first frame, after the upgrade
)

// Config says where the gateway is and who comes. The token in it is a secret:
// log no Config.
type Config struct {
	// URL is where the gateway listens: http, https, ws or wss. Without a path
	// it means /ws.
	URL   string
	Token string // empty: none is brought, which is for tests
	Bring Bring

	// Since is what the connection's own rooms (user:…, hub:all) have been
	// heard up to; what they missed follows the greeting. The zero Position
	// asks for nothing.
	Since Position

	Header http.Header // more headers of the handshake, for example Origin

	// Unread is how many events may wait for the reader of Events; 0 means
	// 256. Nothing is dropped when they are full: the client stops reading, so
	// acks wait too, and the gateway at last closes it as too slow.
	Unread int
}

const defaultUnread = 256

// Position is a place in the mesh's log of events. Epoch names the log, since
// offsets of another one mean nothing.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// String is the position as a handshake spells it: <epoch>:<offset>.
func (p Position) String() string { return p.Epoch + ":" + strconv.FormatUint(p.Offset, 10) }

// address is the URL of the handshake, with what travels in its query.
func (c Config) address() (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", fmt.Errorf("hub: read address: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return "", fmt.Errorf("hub: address %q: want http://host:port, https, ws or wss", c.URL)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/ws"
	}
	q := u.Query()
	if c.Bring == ByQuery && c.Token != "" {
		q.Set("token", c.Token)
	}
	if c.Since.Epoch != "" && c.Bring != ByFrame {
		q.Set("since", c.Since.String())
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// headers is what the handshake brings beside the query: headers and
// subprotocols.
func (c Config) headers() (h http.Header, protocols []string) {
	h = c.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	protocols = []string{"hubmesh.v1"}
	if c.Token == "" {
		return h, protocols
	}
	switch c.Bring {
	case ByHeader:
		h.Set("Authorization", "Bearer "+c.Token)
	case BySubprotocol:
		protocols = append(protocols, "bearer."+c.Token)
	case ByCookie:
		h.Add("Cookie", "hubmesh_token="+c.Token)
	case ByQuery, ByFrame:
	}
	return h, protocols
}
