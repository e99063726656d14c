// Package relay is the way between rooms and NATS: events of the followed log
// and signals to the members of rooms, and clients' events to the log.
//
// It knows neither connections nor client protocols. The log is heard through
// shared/follow, in order and without holes; relay tells each event to its
// room and keeps the rooms' position. What can never be read back ends the
// connections that may have missed it, so that none goes on over a hole.
//
// Read relay.go (what is heard), then whole.go (who missed something) and
// store.go (what is sent); event.go reads messages. The past: past.go (what can
// be replayed), pages.go (read once for many), entries.go and trails.go (found
// where it lies), recent.go (backwards).
package relay
