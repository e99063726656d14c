package obs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubmesh/hubmesh/shared/obs"
)

func probe(h http.Handler, path string) (code int, body string) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code, strings.TrimSpace(answer.Body.String())
}

func TestHealth(t *testing.T) {
	probes := map[string]struct {
		err  error
		path string
		code int
		body string
	}{
		"a process that answers is live":    {errors.New("x"), obs.LivePath, 200, `{"status":"ok"}`},
		"a service that can work is ready":  {nil, obs.ReadyPath, 200, `{"status":"ok"}`},
		"one that cannot says why":          {errors.New("HUB_EVENTS is missing: run hubmesh setup"), obs.ReadyPath, 503, `{"status":"unavailable","reason":"HUB_EVENTS is missing: run hubmesh setup"}`},
		"a reason is one line":              {errors.New("a\nb"), obs.ReadyPath, 503, `{"status":"unavailable","reason":"a"}`},
		"a login in a reason is left out":   {errors.New("dial nats://ann:pw@host:4222: refused"), obs.ReadyPath, 503, `{"status":"unavailable","reason":"dial nats://host:4222: refused"}`},
		"a reason ends in whole characters": {errors.New(strings.Repeat("a", 299) + "ä"), obs.ReadyPath, 503, `{"status":"unavailable","reason":"` + strings.Repeat("a", 299) + `…"}`},
	}
	for name, p := range probes {
		t.Run(name, func(t *testing.T) {
			h := obs.Health(func(context.Context) error { return p.err })
			if code, body := probe(h, p.path); code != p.code || body != p.body {
				t.Errorf("GET %s = %d %s, want %d %s", p.path, code, body, p.code, p.body)
			}
		})
	}
}

// All waiters of a turn share the one question asked after they came.
func TestManyProbesAtOnceAskTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := obs.Health(func(context.Context) error {
			asked.Add(1)
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock, not ours
			return nil
		})
		var wg sync.WaitGroup
		ask := func() {
			if code, body := probe(h, obs.ReadyPath); code != 200 {
				t.Errorf("got %d %s, want 200", code, body)
			}
		}
		wg.Go(ask)
		synctest.Wait()
		time.Sleep(time.Millisecond) //nolint:forbidigo // likewise
		for range 50 {
			wg.Go(ask)
		}
		wg.Wait()
		if got := asked.Load(); got != 2 {
			t.Errorf("51 probes asked %d times, want 2", got)
		}
	})
}

func TestASilentServiceIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := obs.Health(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if code, _ := probe(h, obs.ReadyPath); code != 503 {
			t.Errorf("a service that does not answer: got %d, want 503", code)
		}
	})
}

func kit() obs.Kit {
	return obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
}

func TestTheListenerForOperators(t *testing.T) {
	ready := func(context.Context) error { return nil }
	admin, err := obs.Listen(obs.Config{Listen: "127.0.0.1:0"}, kit(), ready)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- admin.Serve(ctx) }()
	for path, want := range map[string]string{
		"/metrics":            "go_goroutines",
		obs.LivePath:          `"ok"`,
		obs.ReadyPath:         `"ok"`,
		"/debug/pprof/symbol": "num_symbols",
	} {
		answer, err := http.Get("http://" + admin.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("GET %s = %s, %v; want 200 and %q in %.200s", path, answer.Status, err, want, body)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after its ctx ended, want nil", err)
	}
	if _, err := net.Dial("tcp", admin.Addr().String()); err == nil {
		t.Error("it still listens after Serve returned")
	}
}

func TestATakenAddressIsToldWithTheVariablesName(t *testing.T) {
	first, err := obs.Listen(obs.Config{Listen: "127.0.0.1:0"}, kit(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	_, err = obs.Listen(obs.Config{Listen: first.Addr().String()}, kit(), nil)
	if err == nil || !strings.Contains(err.Error(), "HUBMESH_ADMIN_LISTEN") {
		t.Errorf("a second Listen on %s: %v, want an error that names HUBMESH_ADMIN_LISTEN", first.Addr(), err)
	}
}

func TestWhereProfilesAreServed(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }
	for name, c := range map[string]struct {
		cfg  obs.Config
		addr net.Addr
		want bool
	}{
		"on a loopback address":             {obs.Config{}, at("127.0.0.1"), true},
		"on IPv6's loopback address":        {obs.Config{}, at("::1"), true},
		"not on all addresses":              {obs.Config{}, at("::"), false},
		"not on a network's address":        {obs.Config{}, at("10.0.0.1"), false},
		"anywhere when they were asked for": {obs.Config{Pprof: true}, at("10.0.0.1"), true},
	} {
		if got := c.cfg.Profiles(c.addr); got != c.want {
			t.Errorf("%s: Profiles(%v) = %v, want %v", name, c.addr, got, c.want)
		}
	}
	if code, _ := probe(obs.Handler(kit(), nil, false), "/debug/pprof/"); code != 404 {
		t.Errorf("profiles that are off: got %d, want 404", code)
	}
}
