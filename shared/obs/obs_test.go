package obs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/obs"
)

func ExampleHealth() {
	var ready obs.Readiness // nobody has told it yet whom to ask
	answer := httptest.NewRecorder()
	obs.Health(ready.Ask).ServeHTTP(answer, httptest.NewRequest("GET", obs.ReadyPath, nil))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 503 {"status":"unavailable","reason":"starting"}
}

func TestLogger(t *testing.T) {
	lines := map[string]struct {
		level    string
		terminal bool
		want     []string // begins of lines, after the time
	}{
		"a terminal gets text":             {"info", true, []string{`level=INFO msg=b room=task:42`, `level=WARN msg=c`}},
		"anything else gets JSON":          {"info", false, []string{`"level":"INFO","msg":"b","room":"task:42"}`, `"level":"WARN","msg":"c"}`}},
		"what is below the level is quiet": {"error", true, nil},
		"debug tells all":                  {"debug", true, []string{`level=DEBUG msg=a`, `level=INFO msg=b`, `level=WARN msg=c`}},
		"an unknown level means info":      {"loud", true, []string{`level=INFO msg=b`, `level=WARN msg=c`}},
	}
	for name, c := range lines {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := obs.Logger(&out, c.level, c.terminal)
			log.Debug("a")
			log.Info("b", obs.Room, "task:42")
			log.Warn("c")
			var got []string
			if out.Len() > 0 {
				got = strings.Split(strings.TrimSpace(out.String()), "\n")
			}
			if len(got) != len(c.want) {
				t.Fatalf("Logger(%q, %v) wrote %q, want %d lines", c.level, c.terminal, got, len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("line %d is %q, want in it %q", i, got[i], want)
				}
			}
		})
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if obs.Terminal(f) {
		t.Error("Terminal(a file) = true, want false")
	}
}

func TestRegisteringTwiceSharesOneFigure(t *testing.T) {
	reg := obs.NewRegistry()
	register := func() prometheus.Counter {
		return obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "hubmesh_test_things_total"}))
	}
	register().Add(2)
	register().Add(3)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "hubmesh_test_things_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != 5 {
				t.Errorf("two holders added 2 and 3: got %v, want 5", got)
			}
			return
		}
	}
	t.Error("hubmesh_test_things_total is not gathered")
}

func TestRegisteringAnotherKindUnderANamePanics(t *testing.T) {
	reg := prometheus.NewRegistry()
	obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "hubmesh_test_things"}))
	defer func() {
		if recover() == nil {
			t.Error("a gauge under a counter's name was taken, want a panic")
		}
	}()
	obs.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "hubmesh_test_things"}))
}

func TestBind(t *testing.T) {
	parse := func(vars map[string]string) (cfg obs.Config, err error) {
		set := env.New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
		obs.Bind(set, &cfg, ":9102")
		return cfg, set.Parse()
	}
	if got, err := parse(nil); err != nil || got != (obs.Config{Level: "info", Listen: ":9102"}) {
		t.Errorf("nothing set: got %+v, %v", got, err)
	}
	all := map[string]string{"HUBMESH_LOG": "debug", "HUBMESH_ADMIN_LISTEN": "127.0.0.1:1", "HUBMESH_PPROF": "on"}
	if got, err := parse(all); err != nil || got != (obs.Config{Level: "debug", Listen: "127.0.0.1:1", Pprof: true}) {
		t.Errorf("all set: got %+v, %v", got, err)
	}
	_, err := parse(map[string]string{"HUBMESH_LOG": "loud", "HUBMESH_ADMIN_LISTEN": "here", "HUBMESH_PPROF": "yes"})
	for _, name := range []string{"HUBMESH_LOG", "HUBMESH_ADMIN_LISTEN", "HUBMESH_PPROF"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("three faults: %v, want %s among them", err, name)
		}
	}
}

func TestReadiness(t *testing.T) {
	var r obs.Readiness
	if err := r.Ask(t.Context()); !errors.Is(err, obs.ErrStarting) {
		t.Errorf("not set: %v, want ErrStarting", err)
	}
	r.Set(func(context.Context) error { return nil })
	if err := r.Ask(t.Context()); err != nil {
		t.Errorf("set to one who is ready: %v", err)
	}
	r.Drain()
	if err := r.Ask(t.Context()); !errors.Is(err, obs.ErrDraining) {
		t.Errorf("drained: %v, want ErrDraining", err)
	}
}
