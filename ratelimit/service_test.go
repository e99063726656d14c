package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// figure is the value of a counter of ratelimit, of one result if it has any.
func figure(t *testing.T, kit obs.Kit, name, result string) float64 {
	t.Helper()
	families, err := kit.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (result == "" || m.GetLabel()[0].GetValue() == result) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no figure %s with result %q", name, result)
	return 0
}

func counted(t *testing.T, kit obs.Kit, result string) float64 {
	t.Helper()
	return figure(t, kit, "hubmesh_ratelimit_takes_total", result)
}

func races(t *testing.T, kit obs.Kit) float64 {
	t.Helper()
	return figure(t, kit, "hubmesh_ratelimit_races_total", "")
}

func TestItsFiguresAreThereFromTheStart(t *testing.T) {
	_, nc := natstest.Mesh(t)
	kit := quiet()
	start(t, nc, ratelimit.Config{Now: newClock().Now}, kit)
	for _, result := range []string{"granted", "over", "invalid", "unavailable"} {
		if got := counted(t, kit, result); got != 0 {
			t.Errorf("%s = %v at the start", result, got)
		}
	}
	if got := races(t, kit); got != 0 {
		t.Errorf("races = %v at the start", got)
	}
	for range 2 {
		if _, err := take(t.Context(), nc, wire.TakeAsk{Key: "user.messages/ann", Cost: 600}); err != nil {
			t.Fatal(err)
		}
	}
	if granted, over := counted(t, kit, "granted"), counted(t, kit, "over"); granted != 1 || over != 1 {
		t.Errorf("granted %v, over %v, want 1 and 1", granted, over)
	}
}

// lines is a log that a test reads line by line.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A single server that restarts has forgotten what was in memory.
func TestABucketThatIsForgottenIsMadeAgain(t *testing.T) {
	_, nc := natstest.Mesh(t)
	log := make(lines, 100)
	server, _ := start(t, nc, ratelimit.Config{Now: newClock().Now}, obs.Kit{Log: slog.New(slog.NewTextHandler(log, nil)), Registry: obs.NewRegistry()})
	ask := wire.TakeAsk{Key: "user.messages/ann", Cost: 600}
	if got, err := take(t.Context(), nc, ask); err != nil || got.Granted != 600 {
		t.Fatalf("take = %+v, %v, want 600", got, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "KV_HUB_QUOTA"); err != nil {
		t.Fatal(err)
	}
	if err := server.Ready(t.Context()); err == nil || err.Error() != "HUB_QUOTA is missing: run hubmesh setup" {
		t.Errorf("Ready without the bucket = %v", err)
	}
	_, err = take(t.Context(), nc, ask)
	var fault *natsconn.Fault
	if !errors.As(err, &fault) || fault.Code != wire.Unavailable {
		t.Errorf("take without the bucket: %v, want unavailable", err)
	}
	for line := range log {
		if strings.Contains(line, "store: made") {
			break
		}
	}
	if got, err := take(t.Context(), nc, ask); err != nil || got.Granted != 600 {
		t.Errorf("take from the new bucket = %+v, %v, want 600", got, err)
	}
	if err := server.Ready(t.Context()); err != nil {
		t.Errorf("Ready with the new bucket = %v", err)
	}
}

// users logs everybody in as the table of rights says, by the user's name as
// password; who says no name may do all.
func users(o *server.Options) {
	for _, p := range (subject.Tree{}).Users() {
		o.Users = append(o.Users, &server.User{Username: p.User, Password: p.User, Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: p.Publish, Deny: p.PublishDeny},
			Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
			Response:  &server.ResponsePermission{MaxMsgs: 1, Expires: time.Minute},
		}})
	}
	o.Users = append(o.Users, &server.User{Username: "all", Password: "all"})
	o.NoAuthUser = "all"
}

func TestItsRightsAreEnough(t *testing.T) {
	s := natstest.Server(t, users)
	own, err := natsconn.Open(natsconn.Config{
		User: subject.Ratelimit, Password: subject.Ratelimit, Options: []nats.Option{nats.InProcessServer(s)},
	}, subject.Ratelimit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	server, end := start(t, own, ratelimit.Config{Now: newClock().Now}, quiet())
	asker := natstest.Conn(t, s)
	for _, want := range []int{600, 0} {
		if got, err := take(t.Context(), asker, wire.TakeAsk{Key: "user.messages/ann", Cost: 600}); err != nil || got.Granted != want {
			t.Errorf("take = %+v, %v, want %d", got, err, want)
		}
	}
	if err := server.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v", err)
	}
	if err := end(); err != nil { // before its connection closes
		t.Error(err)
	}
	if err := own.LastError(); err != nil {
		t.Errorf("NATS refused something: %v", err)
	}
}

func TestItIsFoundAsAMicroService(t *testing.T) {
	_, nc := natstest.Mesh(t)
	start(t, nc, ratelimit.Config{}, quiet())
	m, err := nc.Request("$SRV.INFO.hubmesh-ratelimit", nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, e := range info.Endpoints {
		subjects = append(subjects, e.Subject+" "+e.QueueGroup)
	}
	if want := []string{"hub.svc.ratelimit.take ratelimit"}; !slices.Equal(subjects, want) {
		t.Errorf("it answers %q, want %q", subjects, want)
	}
}

func TestItIsReadyWhileNATSCarriesItsWords(t *testing.T) {
	s, _ := natstest.Mesh(t)
	cable := natstest.NewWire(t, s)
	nc := cable.Conn(t)
	server, _ := start(t, nc, ratelimit.Config{}, quiet())
	if err := server.Ready(t.Context()); err != nil {
		t.Errorf("connected: Ready = %v, want nil", err)
	}
	away := nc.StatusChanged(nats.RECONNECTING)
	cable.Cut()
	<-away
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := server.Ready(ctx); err == nil {
		t.Error("cut from NATS: Ready = nil, want an error")
	}
}

func TestMissingTellsWhatItWaitsFor(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	if err := ratelimit.Missing(t.Context(), ratelimit.Config{Prefix: "acme"}, nc); err == nil || err.Error() != "ACME_QUOTA is missing: run hubmesh setup" {
		t.Errorf("Missing = %v", err)
	}
	if err := ratelimit.Missing(t.Context(), ratelimit.Config{Prefix: "A"}, nc); err == nil {
		t.Error("Missing with a prefix that is none = nil")
	}
}

func TestItIsConfiguredByTheEnvironment(t *testing.T) {
	vars := map[string]string{"HUBMESH_PREFIX": "acme", "HUBMESH_REPLICAS": "3"}
	set := env.New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	var cfg ratelimit.Config
	ratelimit.Bind(set, &cfg)
	if err := set.Parse(); err != nil || cfg.Prefix != "acme" || cfg.Store.Replicas != 3 {
		t.Errorf("bound %+v, %v", cfg, err)
	}
}
