package hub_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// side is a gateway's end of one connection, in the hand of a test.
type side struct {
	t  testing.TB
	rw *bufio.ReadWriter
	net.Conn
}

// Read reads what the upgrade had buffered before the rest.
func (s *side) Read(p []byte) (int, error) { return s.rw.Read(p) }

// door listens, upgrades each connection and does what script says with it.
func door(t testing.TB, script func(*side, *http.Request)) (url string) {
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
		script(&side{t, rw, conn}, r)
	}))
	t.Cleanup(func() { scripts.Wait(); srv.Close() })
	return srv.URL
}

// say writes text frames.
func (s *side) say(frames ...string) {
	s.t.Helper()
	for _, f := range frames {
		if err := wsutil.WriteServerText(s.Conn, []byte(f)); err != nil {
			s.t.Errorf("say %s: %v", f, err)
			return
		}
	}
}

// asked is a client's frame.
type asked struct {
	ID    int64           `json:"id"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// hear reads the client's next text frame, and reports false after its end.
func (s *side) hear() (a asked, ok bool) {
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

const hello = `{"event":"connected","data":{"connection":"g-1","user":"ann","heartbeatMs":25000,"gateway":"g",` +
	`"rooms":["user:ann","hub:all"],"position":{"epoch":"e1","offset":7}}}`
