package store

import "github.com/nats-io/nats.go/jetstream"

// Differs lets tests compare as Setup does.
func Differs(a, b jetstream.StreamConfig) bool { return len(differences(a, b)) > 0 }
