package demo_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/demo"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

func handler(t testing.TB, cfg demo.Config) http.Handler {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	h, err := demo.Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask asks h for something; change may alter the request.
func ask(t testing.TB, h http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestWhoMaySeeThePage(t *testing.T) {
	h := handler(t, demo.Config{Users: []demo.User{{Name: "ann", Token: "t"}}})
	tests := map[string]struct {
		method, path string
		change       func(*http.Request)
		want         int
	}{
		"by an address":                    {"GET", "/", host("127.0.0.1:8080"), 200},
		"by an address of version 6":       {"GET", "/", host("[::1]:8080"), 200},
		"as localhost":                     {"GET", "/", host("localhost:8080"), 200},
		"without a port":                   {"GET", "/", host("localhost"), 200},
		"by a name that may be anyone's":   {"GET", "/", host("evil.example:8080"), 403},
		"the tokens by such a name":        {"GET", "/demo/config.json", host("evil.example:8080"), 403},
		"by a name that begins as ours":    {"GET", "/", host("localhost.evil.example"), 403},
		"what is not there":                {"GET", "/nothing", host("localhost"), 404},
		"what is not of the page":          {"GET", "/demo/demo.go", host("localhost"), 404},
		"publishing from another's page":   {"POST", "/demo/publish", header("Sec-Fetch-Site", "cross-site"), 403},
		"publishing from another's origin": {"POST", "/demo/publish", header("Origin", "http://evil.example"), 403},
		"publishing by a link":             {"GET", "/demo/publish", host("localhost"), 404},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			r := ask(t, h, c.method, c.path, "", c.change)
			if r.Code != c.want {
				t.Errorf("%s %s: status %d, want %d", c.method, c.path, r.Code, c.want)
			}
			if p := r.Header().Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
				t.Errorf("%s %s: Content-Security-Policy = %q", c.method, c.path, p)
			}
		})
	}
}

func TestThePageNeedsNothingButItself(t *testing.T) {
	h := handler(t, demo.Config{})
	page := ask(t, h, "GET", "/", "").Body.String()
	found := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(found) < 3 {
		t.Fatalf("the page refers to %d files: is it the page?\n%s", len(found), page)
	}
	for _, f := range found {
		if r := ask(t, h, "GET", f[1], ""); r.Code != http.StatusOK || !strings.HasPrefix(f[1], "/demo/") {
			t.Errorf("%s: status %d", f[1], r.Code)
		}
	}
	if strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Error("the page has a style or a script inside, which its policy refuses")
	}
}

// What came over the wire must not become HTML: the ways to do that are not
// used at all.
func TestThePageMakesNoHTMLOfWhatItHears(t *testing.T) {
	scripts, err := fs.Glob(os.DirFS("page"), "*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("scripts: %v, %v", scripts, err)
	}
	for _, name := range scripts {
		b, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function`).Find(b); found != nil {
			t.Errorf("%s uses %s", name, found)
		}
	}
}

func TestThePageIsToldWhoIsOnIt(t *testing.T) {
	users := []demo.User{{Name: "ann", Token: "aaa"}, {Name: "bob", Token: "bbb"}}
	tests := map[string]struct {
		cfg  demo.Config
		want string
	}{
		"as by default": {
			demo.Config{Users: users},
			`{"event":"hub.event.task.42","live":"hub.live.task.42","room":"task:42","users":[{"name":"ann","token":"aaa"},{"name":"bob","token":"bbb"}]}`,
		},
		"without tokens, below another prefix": {
			demo.Config{Prefix: "acme", Room: "lobby:a@b"},
			`{"event":"acme.event.lobby.a=40b","live":"acme.live.lobby.a=40b","room":"lobby:a@b","users":[]}`,
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if got := strings.TrimSpace(ask(t, handler(t, c.cfg), "GET", "/demo/config.json", "").Body.String()); got != c.want {
				t.Errorf("config = %s\nwant     %s", got, c.want)
			}
		})
	}
}

func TestWhatIsNoRoomOrPrefixIsAnError(t *testing.T) {
	for _, cfg := range []demo.Config{{Room: "42"}, {Prefix: "A.B"}} {
		if _, err := demo.Handler(cfg); err == nil || !strings.HasPrefix(err.Error(), "demo: read ") {
			t.Errorf("Handler(%+v): %v, want what could not be read", cfg, err)
		}
	}
}

func TestTheButtonPublishesAsABackendDoes(t *testing.T) {
	server, nc := natstest.Mesh(t)
	h := handler(t, demo.Config{Login: func() natsconn.Config {
		return natsconn.Config{Options: []nats.Option{nats.InProcessServer(server)}}
	}})
	tests := map[string]struct{ body, subject, event, data, want string }{
		"stored": {
			`{"event":"task:update","data":{"title":"Ship it"},"durable":true}`,
			"hub.event.task.42", "task:update", `{"title":"Ship it"}`, `{"subject":"hub.event.task.42","offset":1}`,
		},
		"a signal": {
			`{"event":"cursor","data":null}`,
			"hub.live.task.42", "cursor", `null`, `{"subject":"hub.live.task.42"}`,
		},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			sub, err := nc.SubscribeSync(c.subject)
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			r := ask(t, h, "POST", "/demo/publish", c.body)
			if got := strings.TrimSpace(r.Body.String()); r.Code != 200 || got != c.want {
				t.Errorf("status %d: %s, want %s", r.Code, got, c.want)
			}
			m, err := sub.NextMsgWithContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Header.Get("Hub-Event"); got != c.event || string(m.Data) != c.data {
				t.Errorf("heard %s %s, want %s %s", got, m.Data, c.event, c.data)
			}
		})
	}
}

func TestWhatCannotBePublishedIsRefused(t *testing.T) {
	none := handler(t, demo.Config{Login: func() natsconn.Config {
		return natsconn.Config{URL: "nats://127.0.0.1:1"} // nobody listens there
	}})
	gone, end := context.WithCancel(t.Context())
	end()
	tests := map[string]struct {
		body, code string
		ctx        context.Context //nolint:containedctx // of the request
	}{
		"no JSON":                 {`{`, "invalid", t.Context()},
		"an event without name":   {`{"data":1}`, "invalid", t.Context()},
		"a name that is none":     {`{"event":"a::b","data":1}`, "invalid", t.Context()},
		"nothing to say":          {`{"event":"a"}`, "invalid", t.Context()},
		"more than the page says": {`{"event":"a","data":"` + strings.Repeat("x", 65<<10) + `"}`, "invalid", t.Context()},
		"while NATS is away":      {`{"event":"a","data":1}`, "unavailable", gone},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			r := ask(t, none, "POST", "/demo/publish", c.body, func(r *http.Request) { *r = *r.WithContext(c.ctx) })
			var got struct {
				Error struct{ Code, Message string }
			}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Error.Code != c.code || got.Error.Message == "" || r.Code < 400 {
				t.Errorf("status %d, %+v, want %s", r.Code, got, c.code)
			}
		})
	}
}
