package kv_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// bucket makes the bucket of gateways' leases and returns what is republished
// of it.
func bucket(t *testing.T, nc *nats.Conn) chan *nats.Msg { t.Helper(); return replicated(t, nc, 1) }

// noPeers is "no suitable peers for placement".
const noPeers jetstream.ErrorCode = 10005

func replicated(t *testing.T, nc *nats.Conn, replicas int) chan *nats.Msg {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var tree subject.Tree
	cfg := jetstream.KeyValueConfig{
		Bucket: tree.Bucket(subject.Gateways), LimitMarkerTTL: time.Minute, Replicas: replicas, Storage: jetstream.MemoryStorage,
		RePublish: &jetstream.RePublish{Source: tree.Key(subject.Gateways, ">"), Destination: tree.Heard(subject.Gateways, ">")},
	}
	// A cluster that has just begun may not know yet where to place replicas,
	// and tells nobody when it does.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var api *jetstream.APIError
	for _, err = js.CreateKeyValue(t.Context(), cfg); errors.As(err, &api) && api.ErrorCode == noPeers; <-tick.C {
		_, err = js.CreateKeyValue(t.Context(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan *nats.Msg, 1000)
	if _, err := nc.ChanSubscribe(tree.Heard(subject.Gateways, ">"), heard); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return heard
}

// short are times that fit together as the defaults do.
func short(key string) kv.LeaseConfig {
	return kv.LeaseConfig{
		Bucket: subject.Gateways, Key: key, Value: func() []byte { return []byte(`{}`) },
		TTL: 2 * time.Second, Renew: 100 * time.Millisecond, Retry: 10 * time.Millisecond, Watch: 5 * time.Second,
	}
}

func claim(t *testing.T, nc *nats.Conn, cfg kv.LeaseConfig) *kv.Lease {
	t.Helper()
	l, err := kv.Claim(t.Context(), nc, cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve serves l until end is called, which returns what Serve returned.
func serve(t *testing.T, l *kv.Lease) (end func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx) }()
	return func() error { cancel(); return <-served }
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestALeaseLivesAsLongAsItIsServedAndEndsByItself(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	heard := bucket(t, nc)
	cfg := short("g1")
	var n atomic.Int32
	cfg.Value = func() []byte { return fmt.Appendf(nil, "%d", n.Add(1)) }
	end := serve(t, claim(t, nc, cfg))
	var at time.Time
	for i := 1; i <= 30; i++ { // 3 s: longer than its time to live
		m := <-heard
		if want := fmt.Sprint(i); kv.Gone(m.Header) || string(m.Data) != want {
			t.Fatalf("record %d is %q with %v, want %s", i, m.Data, m.Header, want)
		}
		at = time.Now()
	}
	if err := end(); err != nil {
		t.Errorf("Serve returned %v after its ctx ended, want nil", err)
	}
	m := <-heard
	for !kv.Gone(m.Header) { // one more renewal may have been under way
		at, m = time.Now(), <-heard
	}
	if after := time.Since(at); after < cfg.TTL-500*time.Millisecond || after > cfg.TTL+time.Minute {
		t.Errorf("it ended %v after its last renewal, want %v or, on a machine with more to do, later", after, cfg.TTL)
	}
}

func TestAKeyThatIsRenewedIsNotClaimed(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	bucket(t, nc)
	end := serve(t, claim(t, nc, short("g1")))
	if _, err := kv.Claim(t.Context(), nc, short("g1"), quiet()); !errors.Is(err, kv.ErrHeld) {
		t.Errorf("claiming a key that is renewed: %v, want ErrHeld", err)
	}
	claim(t, nc, short("g2"))
	if err := end(); err != nil {
		t.Errorf("the holder's Serve returned %v, want nil", err)
	}
}

func TestADeadHoldersKeyIsTaken(t *testing.T) {
	for name, watch := range map[string]time.Duration{
		"after a watch":        300 * time.Millisecond,
		"at once where it may": -1,
	} {
		t.Run(name, func(t *testing.T) {
			nc := natstest.Conn(t, natstest.Server(t))
			bucket(t, nc)
			dead := short("g1")
			dead.TTL = time.Minute
			was := claim(t, nc, dead)
			next := short("g1")
			next.Watch = watch
			begun := time.Now()
			l := claim(t, nc, next)
			if took := time.Since(begun); took < watch || watch < 0 && took >= 30*time.Second {
				t.Errorf("claimed after %v, want %v", took, watch)
			}
			if err := was.Serve(t.Context()); !errors.Is(err, kv.ErrTaken) {
				t.Errorf("its holder wakes up: Serve = %v, want ErrTaken", err)
			}
			if err := was.Leave(t.Context()); err != nil {
				t.Errorf("its holder leaves what is no longer its own: %v, want nil", err)
			}
			end := serve(t, l)
			if _, err := kv.Claim(t.Context(), nc, short("g1"), quiet()); !errors.Is(err, kv.ErrHeld) {
				t.Errorf("the new holder's key is claimed: %v, want ErrHeld", err)
			}
			if err := end(); err != nil {
				t.Errorf("the new holder's Serve returned %v", err)
			}
		})
	}
}

func TestOfManyWhoClaimAtOnceOneGetsIt(t *testing.T) {
	s := natstest.Server(t)
	bucket(t, natstest.Conn(t, s))
	const claimants = 8
	got := make(chan error, claimants)
	for range claimants {
		nc := natstest.Conn(t, s)
		go func() {
			l, err := kv.Claim(t.Context(), nc, short("g1"), quiet())
			got <- err
			if err == nil {
				_ = l.Serve(t.Context())
			}
		}()
	}
	holders := 0
	for range claimants {
		switch err := <-got; {
		case err == nil:
			holders++
		case !errors.Is(err, kv.ErrHeld):
			t.Errorf("claimed by many: %v, want ErrHeld", err)
		}
	}
	if holders != 1 {
		t.Errorf("%d claimants got it, want 1", holders)
	}
}

func TestWhoLeavesIsGoneAtOnce(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	heard := bucket(t, nc)
	l := claim(t, nc, short("g1"))
	end := serve(t, l)
	<-heard
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if err := l.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := <-heard
	for !kv.Gone(m.Header) {
		m = <-heard
	}
	if got := m.Header.Get("KV-Operation"); got != "PURGE" {
		t.Errorf("left with KV-Operation %q, want PURGE", got)
	}
	next := short("g1")
	next.Watch = time.Hour // longer than the test may take
	claim(t, nc, next)
}

func TestALeaseThatEndedIsWrittenAnewAndTold(t *testing.T) {
	s := natstest.Server(t)
	heard := bucket(t, natstest.Conn(t, s))
	wire := natstest.NewWire(t, s)
	lost := make(chan struct{}, 10)
	cfg := short("g1")
	cfg.TTL = time.Second
	cfg.Lost = func() { lost <- struct{}{} }
	end := serve(t, claim(t, wire.Conn(t), cfg))
	<-heard
	wire.Cut()
	m := <-heard
	for !kv.Gone(m.Header) {
		m = <-heard
	}
	wire.Mend()
	<-lost
	if m := <-heard; kv.Gone(m.Header) {
		t.Errorf("after the end came %v, want the lease anew", m.Header)
	}
	if err := end(); err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}

// The answer of a renewal may be lost after it was stored.
func TestARecordOfOnesOwnThatWasNotAnsweredIsNoLoss(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	heard := bucket(t, nc)
	cfg := short("g1")
	cfg.Lost = func() { t.Error("told as lost") }
	l := claim(t, nc, cfg)
	m := <-heard
	stored := nats.NewMsg(subject.Tree{}.Key(subject.Gateways, "g1"))
	stored.Header.Set("Hub-Holder", m.Header.Get("Hub-Holder"))
	if err := nc.PublishMsg(stored); err != nil {
		t.Fatal(err)
	}
	<-heard
	end := serve(t, l)
	<-heard
	if err := nc.PublishMsg(stored); err != nil {
		t.Fatal(err)
	}
	<-heard
	<-heard
	if err := end(); err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if err := nc.PublishMsg(stored); err != nil {
		t.Fatal(err)
	}
	if err := l.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	for m := <-heard; !kv.Gone(m.Header); m = <-heard {
	}
}

func TestAClaimWaitsForNATS(t *testing.T) {
	s := natstest.Server(t)
	bucket(t, natstest.Conn(t, s))
	wire := natstest.NewWire(t, s)
	nc := wire.Conn(t)
	wire.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := kv.Claim(ctx, nc, short("g1"), quiet()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("NATS away: %v, want that its time was up", err)
	}
	wire.Mend()
	claim(t, nc, short("g1"))
}

func TestALeaseOfHalfASecondIsRefused(t *testing.T) {
	cfg := short("g1")
	cfg.TTL = 1500 * time.Millisecond
	if _, err := kv.Claim(t.Context(), nil, cfg, quiet()); err == nil || !strings.Contains(err.Error(), "whole seconds") {
		t.Errorf("TTL 1.5s: %v, want that it must be whole seconds", err)
	}
}

func TestARecordWhoseHeadersEndEarlyIsSomebodys(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	heard := bucket(t, nc)
	// It would be a deletion, were it read to where its publisher ended it.
	natstest.Raw(t, s, "$KV.HUB_GATEWAYS.g1", "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"+strings.Repeat("A: b\r\n", 20)+"\r\n", "{}")
	<-heard // it is stored
	cfg := short("g1")
	cfg.Watch = 300 * time.Millisecond
	begun := time.Now()
	claim(t, nc, cfg)
	if waited := time.Since(begun); waited < cfg.Watch {
		t.Errorf("it was taken for free after %v, want it watched for %v", waited, cfg.Watch)
	}
}
