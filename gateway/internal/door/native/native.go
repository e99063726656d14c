// Package native is hubmesh's own protocol: one JSON object a WebSocket text
// message, subprotocol hubmesh.v1.
//
// It reads and writes that JSON and knows nothing else: no socket, no rule of
// who may do what. Read native.go (handshake, codes), then hear.go (what
// clients ask), presence.go and say.go (what they hear). docs/protocol/native.md is the
// same for people who write a client.
package native

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Subprotocol is what a client may ask for; it is agreed to when it does.
const Subprotocol = "hubmesh.v1"

const (
	bearerSubprotocol = "bearer." // and the token: browsers can set no header
	cookie            = "hubmesh_token"
)

// Door is the native protocol.
type Door struct{}

var _ door.Door = Door{}

// Name is "native".
func (Door) Name() string { return "native" }

// Meet finds the token, the first of: Authorization header, subprotocol,
// query, cookie.
func (Door) Meet(h door.Handshake) (door.Hello, string, bool) {
	hello := door.Hello{Talk: talk{}}
	if s := h.Query.Get("since"); s != "" {
		p, err := frame.ParsePosition(s)
		if err != nil {
			return door.Hello{}, "since is <epoch>:<offset>, as subscribe, connected and heartbeat give it", false
		}
		hello.Since = &p
	}
	var fromSubprotocol string
	fromSubprotocol, hello.Subprotocol = subprotocols(h.Header)
	for _, token := range []string{
		bearer(h.Header.Get("Authorization")),
		fromSubprotocol,
		h.Query.Get("token"),
		cookieValue(h.Header),
	} {
		if token != "" {
			hello.Proof.Token = token
			break
		}
	}
	return hello, "", true
}

func bearer(authorization string) string {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// subprotocols finds the token among those offered, and the one to agree to:
// ours, else the one with the token, because a browser that offered some fails
// the connection when none is chosen.
func subprotocols(h http.Header) (token, agreed string) {
	for _, line := range h.Values("Sec-Websocket-Protocol") {
		for _, p := range strings.Split(line, ",") {
			p = strings.TrimSpace(p)
			if p == Subprotocol {
				agreed = p
			}
			if t, ok := strings.CutPrefix(p, bearerSubprotocol); ok && token == "" {
				token = t
			}
		}
	}
	if agreed == "" && token != "" {
		agreed = bearerSubprotocol + token
	}
	return token, agreed
}

func cookieValue(h http.Header) string {
	c, err := (&http.Request{Header: h}).Cookie(cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// Refuse spells a refusal as {"error":{"code":…,"message":…}}.
func (Door) Refuse(code wire.Code, message string) (int, string, []byte) {
	body, err := json.Marshal(map[string]any{"error": fault{Code: code, Message: message}})
	if err != nil { // two strings always marshal
		body = []byte(`{"error":{"code":"internal","message":""}}`)
	}
	return Status(code), "application/json", append(body, '\n')
}

// Status is the HTTP status of a code at the handshake.
func Status(code wire.Code) int {
	switch code {
	case wire.Unauthorized, wire.TokenExpired:
		return http.StatusUnauthorized
	case wire.Forbidden:
		return http.StatusForbidden
	case wire.Invalid, wire.NoHandler:
		return http.StatusBadRequest
	case wire.TooLarge:
		return http.StatusRequestEntityTooLarge
	case wire.RateLimited, wire.TooMany:
		return http.StatusTooManyRequests
	case wire.Unavailable, wire.Timeout:
		return http.StatusServiceUnavailable
	case wire.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusForbidden // a code of someone's own authz: refused all the same
}

// closeCode is the WebSocket close code of an end.
func closeCode(e frame.End) int {
	switch e {
	case frame.GoingAway:
		return 1001
	case frame.Protocol:
		return 1002
	case frame.NoBinary:
		return 1003
	case frame.NotUTF8:
		return 1007
	case frame.TooLarge:
		return 1009
	case frame.Restart:
		return 1012
	case frame.Abuse:
		return 4400
	case frame.Unauthorized:
		return 4401
	case frame.Revoked:
		return 4403
	case frame.NoHeartbeat:
		return 4408
	case frame.TooSlow:
		return 4409
	case frame.Flood:
		return 4429
	}
	panic("native: no close code for end " + e.String())
}

// talk has no state: every message stands alone.
type talk struct{}

func (talk) Profile() door.Profile { return profile{} }

func (talk) Open() []door.Packet { return nil }

func (talk) Pulse(time.Time) []door.Packet { return nil }

func (talk) Bye(e frame.End) ([]door.Packet, int, string) {
	return nil, closeCode(e), e.String()
}
