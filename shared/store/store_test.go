package store_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// setup runs Setup below the default prefix and returns what it logged.
func setup(t *testing.T, nc *nats.Conn, cfg store.Config) string {
	t.Helper()
	var log bytes.Buffer
	if err := store.Setup(t.Context(), nc, subject.Tree{}, cfg, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatalf("Setup(%+v): %v", cfg, err)
	}
	return log.String()
}

func stream(t *testing.T, nc *nats.Conn, name string) *jetstream.StreamInfo {
	t.Helper()
	s, err := admin(t, nc).Stream(t.Context(), name)
	if err != nil {
		t.Fatalf("stream %s: %v", name, err)
	}
	return s.CachedInfo()
}

func admin(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// edit changes HUB_EVENTS as somebody with the nats command would.
func edit(t *testing.T, nc *nats.Conn, change func(*jetstream.StreamConfig)) {
	t.Helper()
	cfg := stream(t, nc, "HUB_EVENTS").Config
	change(&cfg)
	if _, err := admin(t, nc).UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func TestSetupMakesAnEventLogThatCannotBePurgedAndIsRepublished(t *testing.T) {
	_, nc := natstest.Mesh(t)
	c := stream(t, nc, "HUB_EVENTS").Config
	if !c.DenyPurge || !c.DenyDelete || !c.AllowDirect || c.AllowRollup || c.AllowMsgTTL ||
		c.Storage != jetstream.FileStorage || c.Discard != jetstream.DiscardOld ||
		c.MaxAge != 24*time.Hour || c.MaxMsgsPerSubject != 1000 || c.MaxBytes != 10<<30 || c.Duplicates != 2*time.Minute {
		t.Errorf("HUB_EVENTS is %+v", c)
	}
	heard := make(chan *nats.Msg, 1)
	if _, err := nc.ChanSubscribe("hub.stored.*.*", heard); err != nil {
		t.Fatal(err)
	}
	if _, err := admin(t, nc).Publish(t.Context(), "hub.event.task.42", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if m := <-heard; m.Subject != "hub.stored.task.42" || string(m.Data) != "1" {
		t.Errorf("republished %s %q, want hub.stored.task.42 1", m.Subject, m.Data)
	}
	if _, err := admin(t, nc).Publish(t.Context(), "hub.event.task", nil); err == nil {
		t.Error("an event of one token was stored")
	}
}

func TestBucketsAreWhatTheKVClientMakes(t *testing.T) {
	_, nc := natstest.Mesh(t)
	kv, err := admin(t, nc).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: "OTHER", LimitMarkerTTL: time.Minute,
		RePublish: &jetstream.RePublish{Source: "$KV.OTHER.>", Destination: "hub.kv.other.>"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := stream(t, nc, "KV_"+kv.Bucket()).Config
	got := stream(t, nc, "KV_HUB_GATEWAYS").Config
	if store.Differs(got, want) || got.DenyPurge != want.DenyPurge || got.AllowRollup != want.AllowRollup || got.AllowDirect != want.AllowDirect {
		t.Errorf("HUB_GATEWAYS is %+v\nwant as %+v", got, want)
	}
}

func TestASecondSetupChangesNothing(t *testing.T) {
	_, nc := natstest.Mesh(t)
	before := stream(t, nc, "HUB_EVENTS")
	if log := setup(t, nc, store.Config{}); log != "" {
		t.Errorf("the second Setup logged %s", log)
	}
	if a, b := store.Epoch(before), store.Epoch(stream(t, nc, "HUB_EVENTS")); a != b {
		t.Errorf("epoch was %s and is %s", a, b)
	}
}

func TestAnotherPrefixHasStreamsOfItsOwn(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	tree, err := subject.Below("acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Setup(t.Context(), nc, tree, store.Config{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ACME_EVENTS", "KV_ACME_GATEWAYS", "KV_ACME_QUOTA"} {
		stream(t, nc, name)
	}
}

func TestLimitsThatSomebodyElseSetAreLeftAloneAndTold(t *testing.T) {
	_, nc := natstest.Mesh(t)
	edit(t, nc, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.RePublish = 7, nil })
	log := setup(t, nc, store.Config{})
	c := stream(t, nc, "HUB_EVENTS").Config
	if c.MaxMsgsPerSubject != 7 || !strings.Contains(log, "what=max_msgs_per_subject is=7 configured=1000") {
		t.Errorf("max per room is %d, want 7 and a word of it in the log:\n%s", c.MaxMsgsPerSubject, log)
	}
	if c.RePublish == nil {
		t.Error("republishing was taken away and is not set again")
	}
}

func TestAnEpochLastsUntilPositionsMeanSomethingElse(t *testing.T) {
	_, nc := natstest.Mesh(t)
	last := store.Epoch(stream(t, nc, "HUB_EVENTS"))
	for _, step := range []struct {
		what    string
		do      func()
		changes bool
	}{
		{"setup again", func() { setup(t, nc, store.Config{}) }, false},
		{"configured to keep fewer", func() { setup(t, nc, store.Config{EventMaxPerRoom: 10, EventMaxAge: time.Hour}) }, false},
		{"configured to keep more a room", func() { setup(t, nc, store.Config{EventMaxPerRoom: 2000}) }, true},
		{"configured to keep for longer", func() { setup(t, nc, store.Config{EventMaxAge: 48 * time.Hour}) }, true},
		{"configured to keep more bytes", func() { setup(t, nc, store.Config{EventMaxBytes: 11 << 30}) }, true},
		{"the same again", func() { setup(t, nc, store.Config{EventMaxBytes: 11 << 30}) }, false},
		{"a new epoch by hand", func() {
			if err := store.NewEpoch(t.Context(), nc, subject.Tree{}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"kept a room by hand", func() { edit(t, nc, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 3000 }) }, true},
		{"made anew", func() {
			if err := admin(t, nc).DeleteStream(t.Context(), "HUB_EVENTS"); err != nil {
				t.Fatal(err)
			}
			setup(t, nc, store.Config{})
		}, true},
	} {
		step.do()
		now := store.Epoch(stream(t, nc, "HUB_EVENTS"))
		if changed := now != last; changed != step.changes {
			t.Errorf("%s: the epoch changed: %v, want %v", step.what, changed, step.changes)
		}
		last = now
	}
}

func TestOneReplicaInAClusterIsWarnedOfAtEveryStart(t *testing.T) {
	nc := natstest.Cluster(t, 3).Conn(0)
	for range 2 {
		log := setup(t, nc, store.Config{})
		streams := 0
		for name := range admin(t, nc).StreamNames(t.Context()).Name() {
			streams++
			if !strings.Contains(log, "stream="+strings.TrimPrefix(name, "KV_")) {
				t.Errorf("Setup with one replica in a cluster says nothing of %s", name)
			}
		}
		if warned := strings.Count(log, "one replica in a cluster"); streams == 0 || warned != streams {
			t.Errorf("Setup with one replica in a cluster warned %d times of %d streams", warned, streams)
		}
	}
}

func TestConfigurationHasTheDefaultsOfItsProgram(t *testing.T) {
	for name, story := range map[string]struct {
		vars map[string]string
		cfg  store.Config
		want store.Config
	}{
		"nothing set":       {nil, store.Config{}, store.Config{Replicas: 1, EventMaxAge: 24 * time.Hour, EventMaxPerRoom: 1000, EventMaxBytes: 10 << 30}},
		"a program's own":   {nil, store.Config{EventMaxBytes: 1 << 30}, store.Config{Replicas: 1, EventMaxAge: 24 * time.Hour, EventMaxPerRoom: 1000, EventMaxBytes: 1 << 30}},
		"odd defaults":      {nil, store.Config{EventMaxAge: 90 * time.Second, EventMaxBytes: 1000}, store.Config{Replicas: 1, EventMaxAge: 90 * time.Second, EventMaxPerRoom: 1000, EventMaxBytes: 1000}},
		"all from the user": {map[string]string{"HUBMESH_REPLICAS": "3", "HUBMESH_EVENT_MAX_AGE": "1h", "HUBMESH_EVENT_MAX_PER_ROOM": "5", "HUBMESH_EVENT_MAX_BYTES": "2GiB"}, store.Config{EventMaxBytes: 1 << 30}, store.Config{Replicas: 3, EventMaxAge: time.Hour, EventMaxPerRoom: 5, EventMaxBytes: 2 << 30}},
	} {
		t.Run(name, func(t *testing.T) {
			set := env.New(func(name string) (string, bool) { v, ok := story.vars[name]; return v, ok })
			store.Bind(set, &story.cfg)
			if err := set.Parse(); err != nil || story.cfg != story.want {
				t.Errorf("got %+v, %v; want %+v", story.cfg, err, story.want)
			}
		})
	}
}
