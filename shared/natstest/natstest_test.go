package natstest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/natstest"
)

// TestMain lets a test start this program again as a node of a cluster.
func TestMain(m *testing.M) {
	natstest.Main()
	os.Exit(m.Run())
}

func TestAWireThatIsCutAndMendedConnectsAgain(t *testing.T) {
	w := natstest.NewWire(t, natstest.Server(t))
	nc := w.Conn(t)
	away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED)
	if err := nc.FlushTimeout(time.Minute); err != nil {
		t.Fatalf("flush through a whole wire: %v", err)
	}
	w.Cut()
	<-away
	if err := nc.Publish("a", nil); err == nil {
		t.Fatal("publish through a cut wire: no error")
	}
	w.Mend()
	<-back
	if err := nc.FlushTimeout(time.Minute); err != nil {
		t.Fatalf("flush through a mended wire: %v", err)
	}
}

func TestAClusterElectsAnotherLeaderWhenItsLeaderStops(t *testing.T) {
	c := natstest.Cluster(t, 3)
	nc := c.Conn(0)
	js := newStream(t, nc)
	first := c.Leader("S")
	c.StepDown("S")
	if c.Leader("S") < 0 {
		t.Fatal("no leader after a step-down")
	}
	c.Stop(c.Leader("S"))
	put(t, js)
	for i := range 3 {
		if !c.Server(i).Running() {
			c.Start(i)
		}
	}
	put(t, js)
	t.Logf("first leader n%d, last leader n%d", first, c.Leader("S"))
}

func TestWhatIsStoredOutlivesANodeThatIsKilled(t *testing.T) {
	c := natstest.ClusterOfProcesses(t, 3)
	nc, err := nats.Connect(c.URL(0), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js := newStream(t, nc)
	put(t, js)
	c.Lead("S", 0) // or the test waits for an election
	c.Kill(1)
	put(t, js)
	c.Start(1)
	put(t, js)
	s, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if stored := s.CachedInfo().State.Msgs; stored < 3 { // an ack may have been lost
		t.Errorf("%d messages are stored, want 3", stored)
	}
}

func newStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
	}
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// put stores a message, and tries again while the stream has no leader or the
// client no server.
func put(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	for begin := time.Now(); ; {
		once, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := js.Publish(once, "s", nil)
		cancel()
		if err == nil {
			return
		}
		if time.Since(begin) > time.Minute {
			t.Fatal(err)
		}
	}
}
