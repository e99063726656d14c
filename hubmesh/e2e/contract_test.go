package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// The files contract_*_test.go hold the house to what it promises clients,
// backends and operators, word for word: names, subjects, codes and fields are
// written out here as those outside write them, never taken from the code.

// patience bounds every wait of a story for something that must come. It is
// long, for the machine may have others to serve: who fails has not come.
const patience = time.Minute

// talk is a bare socket to a gateway, whose frames a story says and hears one
// after the other.
type talk struct {
	t      testing.TB
	socket *hub.Socket
}

// knock opens a socket and says nothing. It is cut off with the test.
func knock(t testing.TB, g *gateway.Server, cfg hub.Config) talk {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://" + g.Addr().String()
	}
	s, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	t.Cleanup(func() { _ = s.Cut() })
	return talk{t, s}
}

// come opens a socket as a user, and hears that it is connected.
func come(t testing.TB, g *gateway.Server, user string) talk {
	t.Helper()
	k, _ := comeWith(t, g, token(t, user))
	return k
}

// comeWith is come with a token of the story's own. It returns the connection's
// id too.
func comeWith(t testing.TB, g *gateway.Server, token string) (k talk, id string) {
	t.Helper()
	k = knock(t, g, hub.Config{Token: token})
	var hello struct {
		Event string
		Data  hub.Connected
	}
	if err := json.Unmarshal([]byte(k.hear()), &hello); err != nil || hello.Event != "connected" {
		t.Fatalf("the first frame is %+v, %v", hello, err)
	}
	return k, hello.Data.Connection
}

// mint makes a token with claims of the story's own; a ttl of 0 means for ever.
func mint(t testing.TB, user string, claims map[string]any, ttl time.Duration) string {
	t.Helper()
	tok, err := authz.Mint(secret, user, claims, ttl, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// say writes one text frame.
func (k talk) say(format string, args ...any) {
	k.t.Helper()
	if err := k.socket.Send(hub.Frame{Body: fmt.Appendf(nil, format, args...)}); err != nil {
		k.t.Fatal(err)
	}
}

func (k talk) read() (string, error) {
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	f, err := k.socket.Read(ctx)
	if f.Binary {
		err = errors.New("a binary frame")
	}
	return string(f.Body), err
}

// hear waits for the next frame.
func (k talk) hear() string {
	k.t.Helper()
	frame, err := k.read()
	if err != nil {
		k.t.Fatalf("heard nothing more: %v", err)
	}
	return frame
}

// hears waits for the next frame, and fails unless it is like want.
func (k talk) hears(want string) {
	k.t.Helper()
	if err := like(k.hear(), want); err != nil {
		k.t.Fatal(err)
	}
}

// hearsBoth waits for two frames whose order is not promised: an ack, and the
// echo of what it acks.
func (k talk) hearsBoth(ack, echo string) {
	k.t.Helper()
	first, second := k.hear(), k.hear()
	if (like(first, ack) != nil || like(second, echo) != nil) && (like(first, echo) != nil || like(second, ack) != nil) {
		k.t.Fatalf("heard %s and %s, want %s and %s", first, second, ack, echo)
	}
}

// asks says something and fails unless the next frame is like want.
func (k talk) asks(ask, want string) {
	k.t.Helper()
	k.say("%s", ask)
	if err := like(k.hear(), want); err != nil {
		k.t.Fatalf("after %s: %v", ask, err)
	}
}

// ends waits for the end, fails unless it is a close frame with the code, and
// returns what was heard before it.
func (k talk) ends(code int) (last []string) {
	k.t.Helper()
	for {
		frame, err := k.read()
		if err == nil {
			last = append(last, frame)
			continue
		}
		var closed *hub.Closed
		if !errors.As(err, &closed) || closed.Code != code {
			k.t.Fatalf("after %.300q it ended with %v, want a close frame with %d", last, err, code)
		}
		return last
	}
}

// endsAfter is ends that fails unless just frames like want came before it.
func (k talk) endsAfter(code int, want ...string) {
	k.t.Helper()
	last := k.ends(code)
	if len(last) != len(want) {
		k.t.Fatalf("heard %.300q before the end, want %q", last, want)
	}
	for i := range want {
		if err := like(last[i], want[i]); err != nil {
			k.t.Fatal(err)
		}
	}
}

// lives fails unless a heartbeat is answered, with nothing heard before.
func (k talk) lives() {
	k.t.Helper()
	k.asks(`{"id":4711,"event":"heartbeat"}`,
		`{"ack":4711,"data":{"time":"<ms>","position":{"epoch":"<text>","offset":"<number>"}}}`)
}

// refused is the answer to a handshake that must not go well.
func refused(t testing.TB, g *gateway.Server, cfg hub.Config) *hub.Refused {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://" + g.Addr().String()
	}
	s, err := hub.Open(t.Context(), cfg)
	if err == nil {
		_ = s.Cut()
		t.Fatal("the handshake went well")
	}
	var r *hub.Refused
	if !errors.As(err, &r) {
		t.Fatalf("handshake: %v, want an HTTP status", err)
	}
	return r
}
