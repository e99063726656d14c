package authz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const secret = "0123456789abcdef0123456789abcdef"

func quiet() obs.Kit {
	return obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
}

// start runs a replica until the test ends or end is called.
func start(t *testing.T, nc *nats.Conn, cfg authz.Config, kit obs.Kit) (server *authz.Server, end func() error) {
	t.Helper()
	server, err := authz.Listen(t.Context(), cfg, nc, kit)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	end = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return server, end
}

func mint(t *testing.T, claims map[string]any, ttl time.Duration) string {
	t.Helper()
	text, err := authz.Mint(secret, "ann", claims, ttl, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func call[Out any](t *testing.T, nc *nats.Conn, endpoint string, in any) (Out, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return natsconn.Call[Out](ctx, nc, subject.Tree{}.Svc(subject.Authz, endpoint), in)
}

func TestConnectTellsWhoSomebodyIs(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: secret}, quiet())
	before := time.Now()
	got, err := call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: mint(t, map[string]any{"teams": []string{"red"}}, time.Hour), Door: "native"})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Allow || got.User != "ann" || string(got.Claims["teams"]) != `["red"]` || string(got.Claims["sub"]) != `"ann"` || got.Code != "" {
		t.Errorf("connect = %+v, want ann with her claims", got)
	}
	if least, most := before.Add(time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli(); got.ExpiresAt < least || got.ExpiresAt > most {
		t.Errorf("expiresAt = %d, want %d to %d", got.ExpiresAt, least, most)
	}
	got, err = call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: mint(t, nil, 0)})
	if err != nil || !got.Allow || got.ExpiresAt != 0 {
		t.Errorf("connect without exp = %+v, %v, want to be allowed for ever", got, err)
	}
}

func TestConnectRefusesWithACode(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	later := func() time.Time { return time.Now().Add(time.Hour) }
	start(t, nc, authz.Config{Secret: secret, Now: later}, quiet())
	for name, c := range map[string]struct {
		token string
		want  wire.Code
	}{
		"no token":             {"", wire.Unauthorized},
		"a token that is none": {"ann", wire.Unauthorized},
		"an expired token":     {mint(t, nil, time.Minute), wire.TokenExpired},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := call[wire.ConnectAnswer](t, nc, "connect", wire.ConnectAsk{Token: c.token})
			if err != nil || got.Allow || got.Code != c.want || got.Message == "" || got.User != "" || got.Claims != nil {
				t.Errorf("connect = %+v, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestJoinAnswersForEveryRoom(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: secret, Open: []string{"lobby"}}, quiet())
	got, err := call[wire.JoinAnswer](t, nc, "join", wire.JoinAsk{
		User: "ann", Connection: "g1-1",
		Claims: map[string]json.RawMessage{"teams": json.RawMessage(`["red"]`), "rooms": json.RawMessage(`"task:*"`)},
		Rooms:  []string{"user:ann", "user:bob", "team:red", "team:blue", "task:42", "cake:1", "lobby:main", "hub:all", "Task:42", ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	every := []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}
	want := map[string]wire.RoomRights{
		"user:ann": {Allow: true, Can: every}, "team:red": {Allow: true, Can: every}, "task:42": {Allow: true, Can: every},
		"lobby:main": {Allow: true, Can: every}, "hub:all": {Allow: true, Can: []wire.Right{wire.Subscribe, wire.History}},
		"user:bob": {Code: wire.Forbidden}, "team:blue": {Code: wire.Forbidden}, "cake:1": {Code: wire.Forbidden},
		"Task:42": {Code: wire.Invalid}, "": {Code: wire.Invalid},
	}
	if len(got.Rooms) != len(want) {
		t.Errorf("%d rooms are answered for, want %d", len(got.Rooms), len(want))
	}
	for room, w := range want {
		g := got.Rooms[room]
		if g.Allow != w.Allow || g.Code != w.Code || !slices.Equal(g.Can, w.Can) || (g.Message == "") != w.Allow {
			t.Errorf("rights to %q = %+v, want %+v", room, g, w)
		}
	}
}

func TestJoinForNoRoomsTellsThatItIsThere(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: secret}, quiet())
	for _, body := range []string{`{}`, `{"rooms":[]}`, ``} {
		m, err := nc.Request("hub.svc.authz.join", []byte(body), 5*time.Second)
		if err != nil || string(m.Data) != `{"rooms":{}}` || len(m.Header) > 0 {
			t.Errorf("join of %q = %s, %v, want no rooms", body, m.Data, err)
		}
	}
}

func TestWhatCannotBeReadAllowsNothing(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	start(t, nc, authz.Config{Secret: secret, Open: []string{"lobby"}}, quiet())
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("lobby:%d", i)
	}
	for name, c := range map[string]struct {
		ask  any
		want wire.Code
	}{
		"a body that is text":      {"hello", wire.Invalid},
		"rooms that are no list":   {map[string]any{"user": "ann", "rooms": "lobby:main"}, wire.Invalid},
		"no user":                  {wire.JoinAsk{Rooms: []string{"lobby:main"}}, wire.Invalid},
		"a user that is none":      {wire.JoinAsk{User: "ann\n", Rooms: []string{"lobby:main"}}, wire.Invalid},
		"more rooms than it takes": {wire.JoinAsk{User: "ann", Rooms: many}, wire.TooMany},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := call[wire.JoinAnswer](t, nc, "join", c.ask)
			var fault *natsconn.Fault
			if !errors.As(err, &fault) || fault.Code != c.want || len(got.Rooms) > 0 {
				t.Errorf("join = %+v, %v, want %s", got, err, c.want)
			}
		})
	}
	if got, err := call[wire.JoinAnswer](t, nc, "join", wire.JoinAsk{User: "ann", Rooms: many[:1000]}); err != nil || len(got.Rooms) != 1000 {
		t.Errorf("join of 1000 rooms = %d rooms, %v", len(got.Rooms), err)
	}
}
