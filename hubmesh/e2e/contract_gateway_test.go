package e2e

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/shared/kv"
)

// one is the configuration of a gateway of that id, which watches another's
// lease for longer than that takes to renew. The lease does not end by itself
// while a story lasts.
func one(t testing.TB) gateway.Config {
	t.Helper()
	cfg := config(t).Gateway
	cfg.ID, cfg.LeaseWatch, cfg.LeaseTTL = "one", 10*time.Second, patience
	return cfg
}

func TestASecondGatewayUnderALivingIDRefusesToStart(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	first, stop := h.addGateway(t, one(t))
	_, err := h.tryGateway(t, one(t), slog.New(slog.DiscardHandler))
	if !errors.Is(err, kv.ErrHeld) || !strings.Contains(err.Error(), "HUBMESH_GATEWAY_ID") {
		t.Fatalf("a second one starts with %v, want an error that names HUBMESH_GATEWAY_ID", err)
	}
	come(t, first, "ann").lives()
	stop()
	begun := time.Now()
	h.addGateway(t, one(t)) // the first has given up its lease: nothing is to be watched
	if took := time.Since(begun); took >= 10*time.Second {
		t.Errorf("after the first has ended, it took %v to start another", took)
	}
}

func TestTheIDOfADeadGatewayIsTaken(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	cfg := one(t)
	cfg.LeaseWatch = time.Second
	dead, stop := h.addGateway(t, cfg)
	dead.Kill()
	stop()
	next, _ := h.addGateway(t, cfg)
	come(t, next, "ann").lives()
}

func TestConnectionNumbersNeverRepeat(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	var last uint64
	for range 3 {
		g, stop := h.addGateway(t, one(t))
		for range 3 {
			k, id := comeWith(t, g, token(t, "ann"))
			var n uint64
			if _, err := fmt.Sscanf(id, "one-%d", &n); err != nil {
				t.Fatalf("a connection is %s: %v", id, err)
			}
			if n <= last {
				t.Errorf("number %d comes after %d", n, last)
			}
			last = n
			_ = k.socket.Cut()
		}
		stop()
	}
}

func TestAGatewayWithoutANameTakesItsHosts(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.Gateways = 2
	h := open(t, cfg)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	host = regexp.MustCompile(`[^A-Za-z0-9_-]`).ReplaceAllString(host, "-")
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(host) + `-[a-z0-9]{4}$`)
	first, second := h.mesh.Gateways()[0].ID(), h.mesh.Gateways()[1].ID()
	if !form.MatchString(first) || !form.MatchString(second) || first == second {
		t.Errorf("two gateways on %s are %s and %s", host, first, second)
	}
}
