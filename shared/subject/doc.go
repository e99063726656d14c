// Package subject names everything on the bus: every NATS subject, stream and
// bucket, who may say and hear each, and how text of clients becomes a token.
//
// It does not talk to NATS. No other package writes a subject by hand: Tree
// has a method for each, a Room knows its tokens, and Families is the table of
// who says and hears each. From that table come the rights of NATS users
// (Users), nats.conf (NATSConf) and docs/subjects.md (Markdown).
//
// Read tree.go first, then room.go (what a room and a name may be), token.go
// (escaping), table.go (who says and hears what) and users.go (rights).
package subject
