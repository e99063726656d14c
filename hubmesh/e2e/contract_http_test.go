package e2e

import (
	"bufio"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// sample is one line of /metrics: a name with its labels, and the value.
type sample struct {
	name   string
	labels string // as they stand there, without braces
	value  float64
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)

// metrics reads a gateway's /metrics. The gateway must serve it (Config.Admin).
func metrics(t testing.TB, g *gateway.Server) (all []sample) {
	t.Helper()
	a := get(t, g, "/metrics", nil)
	if a.status != http.StatusOK {
		t.Fatalf("GET /metrics: HTTP %d: %s", a.status, a.body)
	}
	lines := bufio.NewScanner(strings.NewReader(a.body))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		m := sampleLine.FindStringSubmatch(lines.Text())
		if m == nil {
			t.Fatalf("GET /metrics: %q is no sample", lines.Text())
		}
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{m[1], m[2], v})
	}
	return all
}

// sum adds up the samples of a name whose labels contain all of some.
func sum(all []sample, name string, labels ...string) (total float64) {
	for _, s := range all {
		fits := s.name == name
		for _, l := range labels {
			fits = fits && strings.Contains(s.labels, l)
		}
		if fits {
			total += s.value
		}
	}
	return total
}

func TestMetricsAreThereFromTheStartAndRight(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.Admin = true
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	begin := metrics(t, g)
	for _, want := range []struct{ name, label string }{
		{"ws_connections_total", ""}, {"hubmesh_gateway_connections", ""}, {"ws_messages_total", `direction="in"`},
		{"ws_messages_total", `direction="out"`}, {"ws_connection_errors_total", ""},
	} {
		found := false
		for _, s := range begin {
			found = found || s.name == want.name && strings.Contains(s.labels, want.label) && s.value == 0
		}
		if !found {
			t.Errorf("%s{%s} is not there with 0 from the start", want.name, want.label)
		}
	}
	ann, id := comeWith(t, g, token(t, "ann-with-a-name"))
	come(t, g, "bob")
	ann.enter("task:a-room-with-a-name")
	ann.lives()
	_ = refused(t, g, hub.Config{Token: "bad"})
	ann.say(`{"id":1,"event":"publish","data":{"room":"task:a-room-with-a-name","event":"e","durable":true,"echo":true}}`)
	ann.hear()
	ann.hear()
	now := metrics(t, g)
	for name, want := range map[string]float64{"ws_connections_total": 2, "hubmesh_gateway_connections": 2, "ws_connection_errors_total": 1} {
		if got := sum(now, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := sum(now, "ws_messages_total", `direction="in"`); got != 3 {
		t.Errorf("messages in: %v, want 3", got)
	}
	if got := sum(now, "ws_messages_total", `direction="out"`); got != 6 { // two greetings, three acks, one event
		t.Errorf("messages out: %v, want 6", got)
	}
	ours := regexp.MustCompile(`^(ws_|hubmesh_(gateway|presence|authz|ratelimit)_[a-z_]+$|go_|process_|promhttp_)`)
	for _, s := range now {
		if !ours.MatchString(s.name) {
			t.Errorf("%s is not named hubmesh_<service>_<noun>_<unit>", s.name)
		}
		for _, secret := range []string{"ann-with-a-name", "a-room-with-a-name", id} {
			if strings.Contains(s.labels, secret) {
				t.Errorf("%s{%s} has a label that holds a user, a room or a connection", s.name, s.labels)
			}
		}
	}
	if err := ann.socket.Cut(); err != nil {
		t.Fatal(err)
	}
	until(t, patience, func() float64 { return sum(metrics(t, g), "ws_connections_total") }, func(n float64) bool { return n == 1 })
}

func TestTheGatewayTellsItsFigures(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateway.ID = "one"
	cfg.Gateways = 2
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	come(t, g, "ann")
	come(t, g, "bob")
	come(t, h.mesh.Gateways()[1], "ann")
	until(t, patience, func() figures { return ask(t, g) }, func(f figures) bool {
		return f.Connections == 2 && f.TotalConnections == 3 && f.ServerCount == 2
	})
	a := get(t, g, "/api/v1/ws/metrics", nil)
	if err := like(a.body, `{"serverId":"one","connections":2,"totalConnections":3,"serverCount":2,"uptime":"<number>"}`); err != nil || a.status != http.StatusOK {
		t.Errorf("HTTP %d; %v", a.status, err)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type is %q", kind)
	}
}

// ready is the HTTP status of a gateway's readiness.
func ready(t testing.TB, g *gateway.Server) int {
	t.Helper()
	return get(t, g, "/api/v1/health/ready", nil).status
}

func becomes(status int) func(int) bool { return func(got int) bool { return got == status } }

func TestReadinessProvesThatNATSAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g, wire := h.addCuttable()
	k := come(t, g, "ann")
	if got := ready(t, g); got != http.StatusOK {
		t.Fatalf("ready: HTTP %d, want 200", got)
	}
	wire.Cut()
	until(t, patience, func() int { return ready(t, g) }, becomes(http.StatusServiceUnavailable))
	if live := get(t, g, "/api/v1/health/live", nil); live.status != http.StatusOK {
		t.Errorf("live: HTTP %d, want 200", live.status)
	}
	if r := refused(t, g, hub.Config{Token: token(t, "bob")}); r.Status != http.StatusServiceUnavailable {
		t.Errorf("refused with %+v, want 503", *r)
	}
	k.asks(`{"id":1,"event":"publish","data":{"room":"user:ann","event":"e","durable":true}}`, `{"ack":1,"error":{"code":"unavailable","message":"<text>"}}`)
	k.asks(`{"id":2,"event":"subscribe","data":"task:1"}`, `{"ack":2,"data":{"rooms":[],"denied":`+denied("unavailable", "task:1")+`}}`)
	wire.Mend()
	until(t, patience, func() int { return ready(t, g) }, becomes(http.StatusOK))
	k.lives()
	k.enter("task:1")
}

func TestReadinessProvesThatAuthzAnswers(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Without = []string{"authz"}
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	if got := ready(t, g); got != http.StatusServiceUnavailable {
		t.Errorf("without authz: HTTP %d, want 503", got)
	}
	asked := make(chan string, 1)
	sub, err := h.nc.Subscribe("hub.svc.authz.join", func(m *nats.Msg) {
		asked <- string(m.Data)
		_ = m.Respond([]byte(`{"rooms":{}}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := ready(t, g); got != http.StatusOK {
		t.Errorf("with one's own authz: HTTP %d, want 200", got)
	}
	if err := like(<-asked, `{"user":"","connection":"","rooms":[]}`); err != nil {
		t.Error(err)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if err := h.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := ready(t, g); got != http.StatusServiceUnavailable {
		t.Errorf("after authz has gone: HTTP %d, want 503", got)
	}
}
