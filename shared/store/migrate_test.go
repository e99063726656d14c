package store

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestMigrate(t *testing.T) {
	const days = 24 * time.Hour
	want := events(subject.Tree{}, Config{Replicas: 1, EventMaxAge: 2 * days, EventMaxPerRoom: 100, EventMaxBytes: 1000})
	given := func(age time.Duration, perRoom, bytes int64) jetstream.StreamConfig {
		c := want
		c.MaxAge, c.MaxMsgsPerSubject, c.MaxBytes = age, perRoom, bytes
		return withMetadata(c, limitsKey, limits(c))
	}
	theirs := func(c jetstream.StreamConfig) jetstream.StreamConfig {
		return withMetadata(c, limitsKey, "something else")
	}
	for name, story := range map[string]struct {
		have  jetstream.StreamConfig
		kept  string // the limits after it
		epoch string
		left  int
	}{
		"what is wanted stays":                       {want, "48h0m0s 100 1000", "", 0},
		"what hubmesh gave less is raised":           {given(days, 50, 500), "48h0m0s 100 1000", "new", 0},
		"one of three is raised":                     {given(2*days, 50, 1000), "48h0m0s 100 1000", "new", 0},
		"more than wanted is left":                   {given(3*days, 200, 2000), "72h0m0s 200 2000", "", 3},
		"the one is raised, the other left":          {given(days, 200, 1000), "48h0m0s 200 1000", "new", 1},
		"without limits is more than any":            {given(0, -1, -1), "0s -1 -1", "", 3},
		"what somebody else set is left though less": {theirs(given(days, 50, 500)), "24h0m0s 50 500", "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			next, left := migrate(story.have, want, "new")
			if got := limits(next); got != story.kept {
				t.Errorf("limits are %s, want %s", got, story.kept)
			}
			if got := next.Metadata[epochKey]; got != story.epoch {
				t.Errorf("epoch is %q, want %q", got, story.epoch)
			}
			if len(left) != story.left {
				t.Errorf("%d are left different, want %d: %v", len(left), story.left, left)
			}
			if story.epoch != "" && next.Metadata[limitsKey] != limits(next) {
				t.Errorf("%q stand in the metadata, want %q, or the next raise is not seen as hubmesh's", next.Metadata[limitsKey], limits(next))
			}
		})
	}
}
