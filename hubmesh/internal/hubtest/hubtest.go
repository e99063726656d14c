// Package hubtest is a gateway's end of the native door in the hand of a test,
// so that clients can be shown what no gateway does on demand: frames out of
// order, a close at the worst moment.
//
// It decides nothing by itself. What a gateway really does is tested with a
// real one.
package hubtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Side is a gateway's end of one connection, in the hand of a test.
type Side struct {
	t  testing.TB
	rw *bufio.ReadWriter
	net.Conn
}

// Read reads what the upgrade had buffered before the rest.
func (s *Side) Read(p []byte) (int, error) { return s.rw.Read(p) }

// Door listens, upgrades each connection and does what script says with it.
func Door(t testing.TB, script func(*Side, *http.Request)) (url string) {
	t.Helper()
	var scripts sync.WaitGroup // the server does not wait for what was hijacked
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scripts.Add(1)
		defer scripts.Done()
		u := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == "hubmesh.v1" }}
		conn, rw, _, err := u.Upgrade(r, w)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer conn.Close() //nolint:errcheck // the client may have closed it
		script(&Side{t, rw, conn}, r)
	}))
	t.Cleanup(func() { scripts.Wait(); srv.Close() })
	return srv.URL
}

// Say writes text frames.
func (s *Side) Say(frames ...string) {
	s.t.Helper()
	for _, f := range frames {
		if err := wsutil.WriteServerText(s.Conn, []byte(f)); err != nil {
			s.t.Errorf("say %s: %v", f, err)
			return
		}
	}
}

// Bye writes a close frame and waits for the client's.
func (s *Side) Bye(code int, reason string) {
	s.t.Helper()
	bye := ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason)) //nolint:gosec // a status is below 5000
	if err := ws.WriteFrame(s.Conn, bye); err != nil {
		s.t.Errorf("say goodbye: %v", err)
	}
	s.Hear()
}

// Ack answers an ask with data.
func (s *Side) Ack(a Asked, data string) {
	s.t.Helper()
	s.Say(fmt.Sprintf(`{"ack":%d,"data":%s}`, a.ID, data))
}

// Asked is a client's frame.
type Asked struct {
	ID    int64           `json:"id"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// Hear reads the client's next text frame, and reports false after its end.
func (s *Side) Hear() (a Asked, ok bool) {
	s.t.Helper()
	text, err := wsutil.ReadClientText(s)
	if err != nil {
		return a, false
	}
	if err := json.Unmarshal(text, &a); err != nil {
		s.t.Errorf("heard %q: %v", text, err)
	}
	return a, true
}

// Hello is a greeting of ann at offset 7 of the log e1.
const Hello = `{"event":"connected","data":{"connection":"g-1","user":"ann","heartbeatMs":25000,"gateway":"g",` +
	`"rooms":["user:ann","hub:all"],"position":{"epoch":"e1","offset":7}}}`
