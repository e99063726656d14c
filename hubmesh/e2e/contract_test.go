package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// The files contract_*_test.go hold the house to what it promises clients,
// backends and operators, word for word: names, subjects, codes and fields are
// written out here as those outside write them, never taken from the code.

// patience bounds every wait of a story for something that must come.
const patience = 20 * time.Second

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

// like compares two JSON texts. Objects must have the same fields. In want,
// "<text>" stands for any text that is not empty, "<number>" for any number,
// "<ms>" for unix milliseconds within two hours of now.
func like(got, want string) error {
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return fmt.Errorf("%.300s is no JSON: %w", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("the story wants %s, which is no JSON: %w", want, err)
	}
	if !alike(g, w) {
		return fmt.Errorf("got  %.1000s\nwant %s", got, want)
	}
	return nil
}

func alike(got, want any) bool {
	switch w := want.(type) {
	case string:
		number, isNumber := got.(float64)
		text, isText := got.(string)
		switch w {
		case "<text>":
			return isText && text != ""
		case "<number>":
			return isNumber
		case "<ms>":
			return isNumber && time.Since(time.UnixMilli(int64(number))).Abs() < 2*time.Hour
		}
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, alike)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, v := range w {
			if have, ok := g[name]; !ok || !alike(have, v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
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

// addGateway starts one more gateway, with a configuration of the story's own.
// It ends with the test or, before, with stop.
func (h *house) addGateway(t testing.TB, cfg gateway.Config) (g *gateway.Server, stop func()) {
	t.Helper()
	g, err := h.tryGateway(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = g.Serve(ctx)
	}()
	stop = func() {
		cancel()
		if <-done; err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return g, stop
}

// tryGateway is gateway.Listen over the house's NATS.
func (h *house) tryGateway(t testing.TB, cfg gateway.Config) (*gateway.Server, error) {
	t.Helper()
	kit := obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
	nc, err := natsconn.Open(natsconn.Config{URL: h.mesh.NATSURL()}, "gateway", kit.Log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return gateway.Listen(t.Context(), cfg, nc, kit)
}

// says publishes as a backend does; headers are name, value, name, value.
func (h *house) says(t testing.TB, subject, payload string, headers ...string) {
	t.Helper()
	if err := h.nc.PublishMsg(message(subject, payload, headers)); err != nil {
		t.Fatal(err)
	}
	if err := h.nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func message(subject, payload string, headers []string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = []byte(payload)
	for i := 0; i < len(headers); i += 2 {
		m.Header.Add(headers[i], headers[i+1])
	}
	return m
}

// stored publishes a durable event as a backend does, and returns its offset.
func (h *house) stored(t testing.TB, subject, payload string, headers ...string) uint64 {
	t.Helper()
	ack, err := h.js.PublishMsg(t.Context(), message(subject, payload, headers))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// answers makes h a backend that answers a subject until the test ends.
func (h *house) answers(t testing.TB, subject string, answer nats.MsgHandler) {
	t.Helper()
	sub, err := h.nc.Subscribe(subject, answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

// get asks a gateway over HTTP and returns the answer, whose body was read.
func get(t testing.TB, g *gateway.Server, path string, header http.Header) (resp *http.Response, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, ""
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}
