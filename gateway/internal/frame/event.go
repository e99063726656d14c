package frame

import (
	"encoding/json"
	"time"
)

// Shutdown is the event that announces the end of a connection, after which
// the client is asked to wait before it comes back.
func Shutdown(message string, reconnectAfter time.Duration) Event {
	data, err := json.Marshal(struct {
		Message          string `json:"message"`
		ReconnectAfterMs int64  `json:"reconnectAfterMs"`
	}{message, reconnectAfter.Milliseconds()})
	if err != nil {
		panic("frame: spell server:shutdown: " + err.Error()) // a text and a number
	}
	return Event{Name: "server:shutdown", Data: data}
}
