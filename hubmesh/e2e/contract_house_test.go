package e2e

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// addGateway starts one more gateway, with a configuration of the story's own.
// It ends with the test or, before, with stop.
func (h *house) addGateway(t testing.TB, cfg gateway.Config) (g *gateway.Server, stop func()) {
	t.Helper()
	return h.addLogging(t, cfg, slog.New(slog.DiscardHandler))
}

// addLogging is addGateway with a log that the story reads.
func (h *house) addLogging(t testing.TB, cfg gateway.Config, log *slog.Logger) (g *gateway.Server, stop func()) {
	t.Helper()
	g, err := h.tryGateway(t, cfg, log)
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
func (h *house) tryGateway(t testing.TB, cfg gateway.Config, log *slog.Logger) (*gateway.Server, error) {
	t.Helper()
	nc, err := natsconn.Open(natsconn.Config{URL: h.mesh.NATSURL()}, "gateway", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return gateway.Listen(t.Context(), cfg, nc, obs.Kit{Log: log, Registry: obs.NewRegistry()})
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

// answer is what a gateway says over HTTP.
type answer struct {
	status int
	header http.Header
	body   string // empty where another protocol follows
}

// get asks a gateway over HTTP.
func get(t testing.TB, g *gateway.Server, path string, header http.Header) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.status == http.StatusSwitchingProtocols {
		return a
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.body = string(text)
	return a
}
