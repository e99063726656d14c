package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestTheUsersOfAKilledGatewayHaveLeftInTwentySeconds(t *testing.T) {
	takesLong(t)
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann")
	viewIn(t, g2, "bob")
	viewIn(t, g2, "eve")
	eve := viewIn(t, g1, "eve") // she is on both
	ann.expect("bob join", "eve join")
	h.mesh.Kill(g2)
	begun := time.Now()
	ann.expect("bob leave")
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("bob had left after %v, want 20s at most", took)
	}
	ann.quiet(h, g1)
	eve.sees("ann", "eve")
	var ends []string
	for _, r := range h.clients(6) {
		if r.what == subject.Disconnected {
			ends = append(ends, r.User)
		}
	}
	if slices.Sort(ends); !slices.Equal(ends, []string{"bob", "eve"}) {
		t.Errorf("ends of %q are recorded, want one of bob's and one of eve's", ends)
	}
}

func TestADrainHandsOverWithoutAFlicker(t *testing.T) {
	t.Parallel()
	h, g1, _ := twoGateways(t)
	cfg := config(t).Gateway
	cfg.LeaseTTL = 13 * time.Second
	going, stop := h.addGateway(t, cfg)
	ann := viewIn(t, g1, "ann")
	const crowd = 20
	var users, joins []string
	var members []*viewer
	for i := range crowd {
		users = append(users, "user-"+string(rune('a'+i)))
		joins = append(joins, users[i]+" join")
		members = append(members, viewIn(t, going, users[i]))
	}
	ann.expect(joins...)
	done := make(chan struct{})
	go func() { defer close(done); stop() }()
	for i, m := range members {
		for range m.c.Events() { // until the gateway has closed it
		}
		viewIn(t, g1, users[i])
	}
	<-done
	// Longer than any grace, and the lease is gone as well.
	last := viewIn(t, g1, "zoe")
	ann.expect("zoe join")
	if err := last.c.Cut(); err != nil {
		t.Fatal(err)
	}
	ann.expect("zoe leave")
	ann.quiet(h, g1)
}

func TestEveryConnectionBeginsAndEndsOnce(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	one, two := view(t, g1, "ann"), view(t, g2, "bob")
	ids := []string{one.c.Connected().Connection, two.c.Connected().Connection}
	records := h.clients(2)
	if err := one.c.Close(); err != nil {
		t.Fatal(err)
	}
	h.ctl(t, "close", `{"user":"bob"}`, `{"connections":[{"connection":"<text>","user":"bob","gateway":"<text>","door":"native","rooms":["hub:all","user:bob"]}]}`)
	records = append(records, h.clients(4)[2:]...)
	for i, id := range ids {
		var of []record
		for _, r := range records {
			if r.Connection == id {
				of = append(of, r)
			}
		}
		gateways := []*gateway.Server{g1, g2}
		if len(of) != 2 || of[0].what != subject.Connected || of[1].what != subject.Disconnected || of[0].Reason != "" || of[1].Reason == "" ||
			of[0].Gateway != gateways[i].ID() || of[0].Door != "native" || of[0].IP == "" || of[0].At == 0 || of[1].At < of[0].At {
			t.Errorf("of %s is recorded %+v, want its start and its end", id, of)
		}
	}
}

func TestAGatewayThatLostItsLeaseReportsAnewWhatItHolds(t *testing.T) {
	t.Parallel()
	h, g1, g2 := twoGateways(t)
	ann := viewIn(t, g1, "ann")
	viewIn(t, g2, "bob")
	ann.expect("bob join")
	h.clients(2)
	leases, err := h.js.KeyValue(t.Context(), subject.Tree{}.Bucket(subject.Gateways))
	if err != nil {
		t.Fatal(err)
	}
	if err := leases.Delete(t.Context(), g2.ID()); err != nil {
		t.Fatal(err)
	}
	if r := h.clients(3)[2]; r.what != subject.Connected || r.User != "bob" || !r.Again {
		t.Errorf("after the lease was lost %+v is recorded, want bob's connection again", r)
	}
	ann.quiet(h, g1)
}

// record is one of HUB_CLIENTS.
type record struct {
	wire.ClientRecord
	what string
}

// clients waits until so many starts and ends are recorded, and returns them in
// their order.
func (h *house) clients(count int) (all []record) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	c, err := h.js.OrderedConsumer(ctx, subject.Tree{}.Stream(subject.Clients), jetstream.OrderedConsumerConfig{})
	if err != nil {
		h.t.Fatal(err)
	}
	for len(all) < count {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			h.t.Fatalf("%d starts and ends are recorded, want %d: %v", len(all), count, err)
		}
		r := record{what: m.Subject()[len(subject.Tree{}.Client("")):]}
		if err := json.Unmarshal(m.Data(), &r.ClientRecord); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestWithoutPresenceRoomsAreEnteredAllTheSame(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Without = []string{subject.Presence}
	h := open(t, cfg)
	g := h.mesh.Gateways()[0]
	ann := view(t, g, "ann")
	if in := ann.subscribe(); in.Presence != nil || in.NoPresence != "unavailable" {
		t.Fatalf("the ack is %+v, want no roster, and why", in)
	}
	if _, err := askAs[any](ann, "status:change", json.RawMessage(`{"status":"away"}`)); code(err) != wire.Unavailable {
		t.Errorf("status:change: %v, want unavailable", err)
	}
	if _, err := askAs[any](ann, "presence:get", json.RawMessage(`{"room":"task:42"}`)); code(err) != wire.Unavailable {
		t.Errorf("presence:get: %v, want unavailable", err)
	}
	offset := h.event("task:42", 1)
	if e := ann.until(func(e hub.Event) bool { return e.Offset != 0 }); e.Offset != offset {
		t.Errorf("heard offset %d, want %d", e.Offset, offset)
	}
	gone := view(t, g, "gone")
	if err := gone.c.Close(); err != nil {
		t.Fatal(err)
	}

	h.presence(presence.Config{})
	ann.expect("ann join") // what was owed is reported, though nobody asked again
	if r := h.clients(3); r[0].Again || r[1].Again || r[2].Again {
		t.Errorf("recorded is %+v, want the start of ann's connection, and of the other start and end", r)
	}
	if in := ann.enter(); (*in.Presence)[0].Status != "away" {
		t.Errorf("the roster is %+v, want ann, away: she had said so", *in.Presence)
	}
}

// presence starts a replica of the story's own. It ends with the test.
func (h *house) presence(cfg presence.Config) {
	h.t.Helper()
	p, err := presence.Listen(h.t.Context(), cfg, h.nc, obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			h.t.Errorf("presence ended with %v", err)
		}
	})
}
