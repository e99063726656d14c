package frame

// End is why a connection ends. Each door has a table from it to its own
// close codes.
type End int

// The ends.
const (
	GoingAway    End = iota // the client asked, or the server stops at once
	Restart                 // drain, or the log was lost: come back and recover
	Protocol                // a breach of WebSocket itself
	NotUTF8                 // text that is no UTF-8
	NoBinary                // a binary message where none is understood
	TooLarge                // a message over the limit
	Abuse                   // too many frames that could not be read
	Unauthorized            // no token, a bad one, or it ran out
	Revoked                 // a backend said so
	NoHeartbeat             // nothing was heard for too long
	TooSlow                 // more waited for the client than may
	Flood                   // far over a limit
)

// Ends is all of them, for tables that must be whole.
func Ends() []End {
	ends := make([]End, 0, Flood+1)
	for e := GoingAway; e <= Flood; e++ {
		ends = append(ends, e)
	}
	return ends
}

func (e End) String() string {
	return [...]string{
		"going away", "restart", "protocol error", "text is not UTF-8", "binary is not understood here",
		"message too large", "too many malformed frames", "unauthorized", "revoked", "no heartbeat",
		"too slow", "flood",
	}[e]
}
