package socket

import (
	"bufio"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"

	"github.com/hubmesh/hubmesh/gateway/internal/client"
	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Handler serves a door's endpoint: it judges a handshake, refuses it as HTTP
// or makes it a connection, which it then reads until its end.
func (s *Server) Handler(d door.Door) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.admit(d, w, r) })
}

// retryAfter is told with 503 and 429, in seconds.
const retryAfter = "2"

func (s *Server) refuse(d door.Door, w http.ResponseWriter, code wire.Code, message string) {
	s.meter.Failed(code)
	status, contentType, body := d.Refuse(code, message)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.log.Debug("socket: refusal not heard", obs.Err, err)
	}
}

func (s *Server) admit(d door.Door, w http.ResponseWriter, r *http.Request) {
	if !isUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		s.refuse(d, w, wire.Invalid, "this is a WebSocket endpoint: open it with a WebSocket client")
		return
	}
	origin := r.Header.Get("Origin")
	if !s.origins.allow(origin, r.Host) {
		s.refuse(d, w, wire.Forbidden, "the origin is not allowed: set HUBMESH_ALLOWED_ORIGINS")
		return
	}
	if why, ok := s.reserve(); !ok {
		s.refuse(d, w, wire.Unavailable, why)
		return
	}
	c := s.open(d, w, r, origin)
	leaving, ok := s.release(c)
	switch {
	case c == nil:
		return
	case !ok:
		c.cut()
		c.client.Closed()
		return
	case leaving:
		c.client.End(frame.Restart)
	}
	c.serve()
}

// open judges a handshake and makes it a connection, or answers it and returns
// nil.
func (s *Server) open(d door.Door, w http.ResponseWriter, r *http.Request, origin string) *conn {
	hello, text, ok := d.Meet(door.Handshake{Query: r.URL.Query(), Header: r.Header})
	if !ok {
		s.refuse(d, w, wire.Invalid, text)
		return nil
	}
	ip, forwarded := address(r, s.cfg.TrustedProxies)
	if forwarded {
		s.warnForwarded.Do(func() {
			s.log.Warn("socket: X-Forwarded-For from a peer that is no trusted proxy is not believed: set HUBMESH_TRUSTED_PROXIES", obs.Addr, ip)
		})
	}
	caller := client.Caller{Door: d.Name(), IP: ip, Origin: origin}
	var admitted *wire.ConnectAnswer
	if hello.Proof.Token != "" {
		a, p := s.judge(r, caller, hello.Proof)
		if p.Is() {
			s.refuse(d, w, p.Code, p.Message)
			return nil
		}
		admitted = &a
	}
	raw, buffered, ok := s.upgrade(w, r, hello.Subprotocol)
	if !ok {
		return nil
	}
	return newConn(s, raw, buffered, s.house.Open(caller, hello, admitted))
}

// judge waits for authz: there is nothing else to do with this request.
func (s *Server) judge(r *http.Request, c client.Caller, proof door.Proof) (wire.ConnectAnswer, frame.Problem) {
	type verdict struct {
		a wire.ConnectAnswer
		p frame.Problem
	}
	heard := make(chan verdict, 1)
	q := wire.ConnectAsk{Token: proof.Token, Auth: proof.Auth, Door: c.Door, IP: c.IP, Origin: c.Origin}
	s.house.Judge(q, func(a wire.ConnectAnswer, p frame.Problem) { heard <- verdict{a, p} })
	select {
	case v := <-heard:
		return v.a, v.p
	case <-r.Context().Done():
		return wire.ConnectAnswer{}, frame.Problem{Code: wire.Unavailable, Message: "the client is gone"}
	}
}

func isUpgrade(r *http.Request) bool {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	for _, line := range r.Header.Values("Connection") {
		for _, token := range strings.Split(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}

// upgrade answers the handshake. What it refuses it answers by itself.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, subprotocol string) (net.Conn, *bufio.Reader, bool) {
	u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == subprotocol }}
	raw, rw, _, err := u.Upgrade(r, w)
	if err != nil {
		s.meter.Failed(wire.Invalid)
		s.log.Debug("socket: upgrade", obs.Err, err)
		if raw != nil {
			_ = raw.Close() // it was answered, and nobody else owns it
		}
		return nil, nil, false
	}
	return raw, rw.Reader, true
}
