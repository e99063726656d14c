// Package subject names everything on the bus: every NATS subject, stream and
// bucket, who may say and hear each, and how text of clients becomes a token.
//
// It does not talk to NATS. No other package writes a subject by hand: Tree
// has a method for each, a Room knows its tokens, and Users is the table from
// which the users of nats.conf and of the embedded server are made.
//
// Read tree.go first, then room.go (what a room and a name may be), token.go
// (escaping) and users.go (rights).
package subject
