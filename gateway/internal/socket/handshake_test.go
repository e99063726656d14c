package socket

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
)

// ask sends a request and returns what is answered; the connection is over
// with it.
func ask(t *testing.T, addr, request string) (status int, header http.Header, body string) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_ = raw.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(raw, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(raw)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = answer.Body.Close() }()
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return answer.StatusCode, answer.Header, string(all)
}

func TestHandshakesThatAreRefused(t *testing.T) {
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	good := handshake("/ws", "Connection: close")
	cases := map[string]struct {
		change  func(*Config)
		drain   bool
		request string
		status  int
		code    string // in the body, where the door wrote it
		header  [2]string
	}{
		"not an upgrade":       {request: "GET /ws HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n", status: 400, code: "invalid", header: [2]string{"Upgrade", "websocket"}},
		"another upgrade":      {request: "GET /ws HTTP/1.1\r\nHost: g\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n\r\n", status: 400, code: "invalid"},
		"no token Upgrade":     {request: strings.Replace(good, "Connection: Upgrade", "Connection: keep-alive", 1), status: 400, code: "invalid"},
		"another method":       {request: strings.Replace(good, "GET", "POST", 1), status: 400, code: "invalid"},
		"another version":      {request: strings.Replace(good, "Version: 13", "Version: 8", 1), status: 426, header: [2]string{"Sec-Websocket-Version", "13"}},
		"no key":               {request: strings.Replace(good, key, "", 1), status: 400},
		"a key of no 16 bytes": {request: strings.Replace(good, key, "Sec-WebSocket-Key: eA==\r\n", 1), status: 400},
		"another page's":       {request: handshake("/ws", "Origin: https://evil.com", "Connection: close"), status: 403, code: "forbidden"},
		"a since that is none": {request: handshake("/ws?since=7", "Connection: close"), status: 400, code: "invalid"},
		"none is free":         {change: func(c *Config) { c.MaxConnections = 0 }, request: good, status: 503, code: "unavailable", header: [2]string{"Retry-After", "2"}},
		"draining":             {drain: true, request: good, status: 503, code: "unavailable", header: [2]string{"Retry-After", "2"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.change)
			addr := h.serveHTTP(t, native.Door{})
			if c.drain {
				h.Drain(t.Context(), time.Second)
			}
			status, header, body := ask(t, addr, c.request)
			var said struct {
				Error struct{ Code, Message string }
			}
			if c.code != "" {
				if err := json.Unmarshal([]byte(body), &said); err != nil || said.Error.Message == "" {
					t.Errorf("body %q: %v", body, err)
				}
			}
			if status != c.status || said.Error.Code != c.code {
				t.Errorf("answer %d %q, want %d %q", status, said.Error.Code, c.status, c.code)
			}
			if name := c.header[0]; name != "" && header.Get(name) != c.header[1] {
				t.Errorf("header %s: %q, want %q", name, header.Get(name), c.header[1])
			}
			if n := h.Open(); n != 0 {
				t.Errorf("%d connections are open", n)
			}
		})
	}
}

// TestARefusedUpgradeIsClosed would hang if the connection were left open: a
// client that asked for keep-alive waits for its end.
func TestARefusedUpgradeIsClosed(t *testing.T) {
	addr := newHouse(t, nil).serveHTTP(t, native.Door{})
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_ = raw.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(raw, strings.Replace(handshake("/ws"), "Version: 13", "Version: 8", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(raw); err != nil {
		t.Errorf("read to the end: %v", err)
	}
}

func TestTheSubprotocolIsAgreedTo(t *testing.T) {
	addr := newHouse(t, nil).serveHTTP(t, native.Door{})
	cases := map[string]struct{ offered, agreed string }{
		"none when none is offered":      {"", ""},
		"ours when it is":                {"hubmesh.v1", "hubmesh.v1"},
		"ours among others":              {"graphql-ws, hubmesh.v1", "hubmesh.v1"},
		"none that is not ours":          {"graphql-ws", ""},
		"ours in letters of another one": {"HUBMESH.V1", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if c.offered != "" {
				headers = append(headers, "Sec-WebSocket-Protocol: "+c.offered)
			}
			raw, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = raw.Close() }()
			_ = raw.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(raw, handshake("/ws", headers...)); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(raw), nil)
			if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("handshake: %v, %v", answer, err)
			}
			_ = answer.Body.Close() // of a switch of protocols: it has none
			if got := answer.Header.Get("Sec-Websocket-Protocol"); got != c.agreed {
				t.Errorf("offered %q, agreed to %q, want %q", c.offered, got, c.agreed)
			}
		})
	}
}

func TestAPlaceIsFreeAgainWhenAConnectionHasEnded(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxConnections = 1 })
	addr := h.serveHTTP(t, echo{})
	for range 3 {
		p := dial(t, addr, "/", "")
		if status, _, _ := ask(t, addr, handshake("/", "Connection: close")); status != http.StatusServiceUnavailable {
			t.Errorf("a second connection: status %d, want 503", status)
		}
		p.send(t, bye)
		if got := p.all(); !slices.Equal(got, []string{"close 1000"}) {
			t.Fatalf("heard %v", got)
		}
		_ = p.Close()
		await(t, func() bool { return h.Open() == 0 })
	}
}
