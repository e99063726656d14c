package kv_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// holders serves one lease on each of three nodes, and fails the test when one
// of them is lost. It returns what is heard of them.
func holders(t *testing.T, nodes *natstest.Nodes, times kv.LeaseConfig) (heard chan *nats.Msg, end func()) {
	t.Helper()
	heard = replicated(t, nodes.Conn(0), 3)
	var ends []func() error
	for i := range 3 {
		cfg := times
		cfg.Bucket, cfg.Key = subject.Gateways, fmt.Sprint("g", i)
		cfg.Value = func() []byte { return []byte(`{}`) }
		cfg.Lost = func() { t.Errorf("the lease of %s was lost", cfg.Key) }
		ends = append(ends, serve(t, claim(t, nodes.Conn(i), cfg)))
	}
	return heard, func() {
		for i, end := range ends {
			if err := end(); err != nil {
				t.Errorf("g%d: Serve returned %v, want nil", i, err)
			}
		}
	}
}

// renewed returns when each of the three was written twice from now on.
func renewed(t *testing.T, heard chan *nats.Msg) {
	t.Helper()
	for len(heard) > 0 {
		<-heard
	}
	for times := map[string]int{}; min(times["g0"], times["g1"], times["g2"]) < 2; {
		m := <-heard
		if kv.Gone(m.Header) {
			t.Fatalf("%s has ended", m.Subject)
		}
		times[m.Subject[len(m.Subject)-2:]]++
	}
}

func TestLeadersThatStepDownEndNoLease(t *testing.T) {
	nodes := natstest.Cluster(t, 3)
	heard, end := holders(t, nodes, kv.LeaseConfig{Renew: 20 * time.Millisecond, Retry: 10 * time.Millisecond})
	for range 5 {
		nodes.StepDown(subject.Tree{}.BucketStream(subject.Gateways))
		renewed(t, heard)
	}
	end()
}

func TestALeaderThatIsKilledEndsNoLease(t *testing.T) {
	if testing.Short() {
		t.Skip("an election takes up to 9 s")
	}
	nodes := natstest.Cluster(t, 3)
	heard, end := holders(t, nodes, kv.LeaseConfig{}) // the defaults are what is tried
	renewed(t, heard)
	nodes.Stop(nodes.Leader(subject.Tree{}.BucketStream(subject.Gateways)))
	renewed(t, heard)
	end()
}
