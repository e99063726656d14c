// Package room is who is where on this gateway: members, the rooms they are
// in, and what waits for each of them.
//
// It knows neither NATS nor a client protocol. Events come in log order from
// relay, are spelt once for each way a member's protocol spells them, and the
// same bytes are handed to every member's Outbox. A join, a leave, an answer
// that carries a position and an event are put into the outbox under one lock,
// so each stands where it is true: a member that entered at offset W hears all
// after W and nothing up to it.
//
// Nobody waits for a slow client: what waits for it is bounded, signals are
// thrown out first, and if that is not enough the outbox gives it up.
//
// Read rooms.go, then outbox.go.
package room
