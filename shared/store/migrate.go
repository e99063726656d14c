package store

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// limitsKey is where a stream's metadata hold the limits that Setup gave it.
// If they are no longer what the stream has, somebody else set them.
const limitsKey = "hubmesh-limits"

func limits(c jetstream.StreamConfig) string {
	return fmt.Sprintf("%v %d %d", c.MaxAge, c.MaxMsgsPerSubject, c.MaxBytes)
}

// difference is one thing that is left as it is.
type difference struct {
	what     string
	is, want any
}

// migrate says what a stream that is there becomes, and what of it stays
// different from what is wanted.
//
// What the services lean on is set: subjects, republishing, direct gets,
// markers, and that nothing can be purged. Limits are the operator's: they
// stay, but for those that hubmesh gave the stream itself and that are now
// configured higher. What was evicted under the lower ones would then look as
// if it had never been, so the stream becomes one of the given epoch. Lower
// limits would throw events away, and are left to people.
func migrate(have, want jetstream.StreamConfig, epoch string) (next jetstream.StreamConfig, left []difference) {
	next = have
	next.Subjects, next.RePublish = want.Subjects, want.RePublish
	next.AllowDirect, next.AllowRollup = want.AllowDirect, want.AllowRollup
	next.DenyDelete = have.DenyDelete || want.DenyDelete // NATS takes neither back
	next.DenyPurge = have.DenyPurge || want.DenyPurge
	next.AllowMsgTTL = have.AllowMsgTTL || want.AllowMsgTTL
	next.SubjectDeleteMarkerTTL = want.SubjectDeleteMarkerTTL
	if given, ok := have.Metadata[limitsKey]; ok && given == limits(have) {
		next.MaxAge = higher(have.MaxAge, want.MaxAge)
		next.MaxMsgsPerSubject = higher(have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
		next.MaxBytes = higher(have.MaxBytes, want.MaxBytes)
		if now := limits(next); now != given {
			next = withMetadata(withEpoch(next, epoch), limitsKey, now)
		}
	}
	return next, differences(next, want)
}

// higher is the larger of two limits, of which zero or less is none.
func higher[N int64 | time.Duration](have, want N) N {
	if have <= 0 || want <= 0 {
		return min(have, want)
	}
	return max(have, want)
}

func differences(have, want jetstream.StreamConfig) (all []difference) {
	for _, d := range []difference{
		{"replicas", have.Replicas, want.Replicas},
		{"storage", have.Storage, want.Storage},
		{"max_age", have.MaxAge, want.MaxAge},
		{"max_msgs_per_subject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject},
		{"max_bytes", have.MaxBytes, want.MaxBytes},
		{"max_msgs", have.MaxMsgs, want.MaxMsgs},
		{"max_msg_size", have.MaxMsgSize, want.MaxMsgSize},
		{"discard", have.Discard, want.Discard},
		{"duplicate_window", have.Duplicates, want.Duplicates},
		{"allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL},
	} {
		if d.is != d.want {
			all = append(all, d)
		}
	}
	return all
}
