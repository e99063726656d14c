// Package demo is the page that hubmesh dev serves at /: a small hub for a
// team's collaboration. Two users side by side at the board of one room, with
// its tasks, comments, who is here and who types, the frames that each sends
// and hears, a button that cuts one's network, and a button that speaks as a
// backend.
//
// It is for development: it hands tokens to whoever may open it, so nothing
// but hubmesh dev mounts it. It binds no address, keeps nothing between two
// requests, and puts nothing that clients say into HTML; what the page shows
// it asks of the gateway, as any client does.
//
// Read this file first (what is served, and to whom), then publish.go (the
// backend's button). In the folder page, side.js is a user: a Hub of the client
// that the gateway serves at /hubmesh.js, and what one sees of it.
package demo

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// User is one side of the page.
type User struct {
	Name  string `json:"name"`
	Token string `json:"token"`
}

// Config says what the page shows.
type Config struct {
	Prefix string // first token of every subject; empty means "hub"
	Room   string // where the users meet; empty means "task:42"
	Users  []User // one side each; without any the page says that there are no tokens

	// Login is how a backend reaches NATS. It is asked at each press of the
	// button, since the page is mounted before NATS is started. It must be safe
	// for concurrent use.
	Login func() natsconn.Config

	Log *slog.Logger
}

const defaultRoom = "task:42"

//go:embed page
var files embed.FS

// policy lets the page load what this handler serves and talk to the gateway
// it came from, and nothing else: no inline script, no other host, no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the page at /, what belongs to it below /demo/, and 404 for
// all else. It returns an error when the prefix is none or the room is none.
func Handler(cfg Config) (http.Handler, error) {
	if cfg.Room == "" {
		cfg.Room = defaultRoom
	}
	room, err := subject.ParseRoom(cfg.Room)
	if err != nil {
		return nil, fmt.Errorf("demo: read room %q: %w", cfg.Room, err)
	}
	tree, err := subject.Below(cfg.Prefix)
	if err != nil {
		return nil, fmt.Errorf("demo: read prefix: %w", err)
	}
	page, err := fs.Sub(files, "page")
	if err != nil {
		return nil, fmt.Errorf("demo: open the page: %w", err)
	}
	h := &handler{cfg: cfg, room: room, tree: tree}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, page, "page.html")
	})
	mux.Handle("GET /demo/", http.StripPrefix("/demo/", http.FileServerFS(page)))
	mux.HandleFunc("GET /demo/config.json", h.config)
	mux.HandleFunc("POST /demo/publish", h.publish)
	return guard(http.NewCrossOriginProtection().Handler(mux)), nil
}

// handler answers what is not a file.
type handler struct {
	cfg  Config
	room subject.Room
	tree subject.Tree
}

// config tells the page who is on it and where they meet.
func (h *handler) config(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, http.StatusOK, map[string]any{
		"room": h.room.String(), "users": append([]User{}, h.cfg.Users...),
		"event": h.tree.Event(h.room), "live": h.tree.Live(h.room),
	})
}

func (h *handler) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.cfg.Log.Debug("demo: answer not heard", obs.Err, err)
	}
}

// guard sets the headers of every answer, and serves only who came by an
// address or as localhost. A name of somebody's own can be made to point here
// by its owner, whose page a browser would then take for ours and let read the
// tokens.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !safeHost(r.Host) {
			http.Error(w, "open this page by its address, such as http://127.0.0.1:8080/, or as localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func safeHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport // without a port
	}
	host = strings.Trim(host, "[]")
	_, err = netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}
