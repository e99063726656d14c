package gateway_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// patience bounds everything that a test waits for.
const patience = 20 * time.Second

// config is a gateway on any port, with a short lease.
func config() gateway.Config {
	return gateway.Config{
		ID: "g1", Listen: "127.0.0.1:0", Drain: 5 * time.Second,
		LeaseTTL: 2 * time.Second, LeaseRenew: 200 * time.Millisecond, LeaseWatch: 500 * time.Millisecond,
	}
}

func kit() obs.Kit {
	return obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
}

// served is a gateway at work.
type served struct {
	*gateway.Server
	ended chan error
	stop  context.CancelFunc
}

// serve runs a gateway until the test ends, or it is stopped.
func serve(t *testing.T, cfg gateway.Config, nc *nats.Conn) *served {
	t.Helper()
	g, err := gateway.Listen(t.Context(), cfg, nc, kit())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &served{g, make(chan error, 1), cancel}
	go func() {
		s.ended <- g.Serve(ctx)
		close(s.ended)
	}()
	t.Cleanup(func() { s.wantEnd(t) })
	return s
}

// wantEnd stops the gateway and waits for its end.
func (s *served) wantEnd(t *testing.T) {
	t.Helper()
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("Serve goes on after %v", patience)
	}
}

// authz lets in whoever brings a token, as the user of that name, and into all
// rooms with all rights. It answers until the function it returns is called.
func authz(t *testing.T, nc *nats.Conn) (stop func()) {
	t.Helper()
	var subs []*nats.Subscription
	hear := func(subj string, answer func(data []byte) any) {
		sub, err := nc.QueueSubscribe(subj, "authz", func(m *nats.Msg) {
			body, err := json.Marshal(answer(m.Data))
			if err == nil {
				err = m.Respond(body)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, sub)
	}
	hear("hub.svc.authz.connect", func(data []byte) any {
		var q wire.ConnectAsk
		_ = json.Unmarshal(data, &q) // of a gateway's own
		if q.Token == "bad" {
			return wire.ConnectAnswer{Code: wire.Unauthorized, Message: "the token is not valid"}
		}
		return wire.ConnectAnswer{Allow: true, User: q.Token}
	})
	hear("hub.svc.authz.join", func(data []byte) any {
		var q wire.JoinAsk
		_ = json.Unmarshal(data, &q)
		a := wire.JoinAnswer{Rooms: map[string]wire.RoomRights{}}
		for _, r := range q.Rooms {
			a.Rooms[r] = wire.RoomRights{Allow: true, Can: []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}}
		}
		return a
	})
	flush(t, nc)
	return func() {
		for _, s := range subs {
			_ = s.Unsubscribe()
		}
		flush(t, nc)
	}
}

func flush(t *testing.T, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
}

// mesh is a NATS with our streams and an authz, and a connection for a
// gateway.
func mesh(t *testing.T) (nc, backend *nats.Conn) {
	t.Helper()
	s, backend := natstest.Mesh(t)
	authz(t, backend)
	return natstest.Conn(t, s), backend
}

// get asks a gateway over HTTP.
func (s *served) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// user is a client's end of a connection.
type user struct {
	net.Conn
	in *bufio.Reader
	id string // of the connection
}

// dial opens a connection; status is that of a refusal, else 0.
func (s *served) dial(t *testing.T, token string) (u *user, status int) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(raw, "GET /ws?token=%s HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", token)
	if err != nil {
		t.Fatal(err)
	}
	u = &user{Conn: raw, in: bufio.NewReader(raw)}
	answer, err := http.ReadResponse(u.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, answer.StatusCode
	}
	return u, 0
}

// enter opens a connection and waits until it is connected.
func (s *served) enter(t *testing.T, token string) *user {
	t.Helper()
	u, status := s.dial(t, token)
	if u == nil {
		t.Fatalf("%s was refused with %d", token, status)
	}
	var hello struct {
		Event string
		Data  struct{ Connection string }
	}
	if heard := u.hear(t); json.Unmarshal([]byte(heard), &hello) != nil || hello.Event != "connected" {
		t.Fatalf("heard %s, want connected", heard)
	}
	u.id = hello.Data.Connection
	return u
}

// say sends a text, masked with zeros, which leave it as it is.
func (u *user) say(t *testing.T, text string) {
	t.Helper()
	b := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	b = append(b, 0, 0, 0, 0)
	if _, err := u.Write(append(b, text...)); err != nil {
		t.Fatal(err)
	}
}

// hear reads the next text; "close" and a code for a close, "end" for an end.
// What is neither it passes over.
func (u *user) hear(t *testing.T) string {
	t.Helper()
	for {
		opcode, payload, err := u.frame()
		switch {
		case err != nil:
			return "end"
		case opcode == 1:
			return string(payload)
		case opcode == 8 && len(payload) >= 2:
			return fmt.Sprint("close ", binary.BigEndian.Uint16(payload))
		}
	}
}

// frame reads a whole frame, as servers send them.
func (u *user) frame() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(u.in, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(head[1])
	if more := map[int]int{126: 2, 127: 8}[size]; more > 0 {
		var long [8]byte
		if _, err = io.ReadFull(u.in, long[8-more:]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint64(long[:]))
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(u.in, payload)
	return head[0] & 0xf, payload, err
}

// wantHear waits for texts that begin so.
func (u *user) wantHear(t *testing.T, prefixes ...string) {
	t.Helper()
	for _, want := range prefixes {
		if got := u.hear(t); !strings.HasPrefix(got, want) {
			t.Errorf("heard %s, want %s…", got, want)
		}
	}
}
