package frame

import (
	"encoding/json"
	"time"
)

// Left is the event that says that a client is in a room no more.
func Left(room, reason string) Event {
	return told("room:left", struct {
		Room   string `json:"room"`
		Reason string `json:"reason"`
	}{room, reason})
}

// Joined is the event that says that a client is in a room now, and has heard
// everything up to a position.
func Joined(room string, at Position) Event {
	return told("room:joined", struct {
		Room   string `json:"room"`
		Offset uint64 `json:"offset"`
		Epoch  string `json:"epoch"`
	}{room, at.Offset, at.Epoch})
}

// Typist is the event that says that a user writes in a room, or has stopped.
func Typist(room, user string, stopped bool) Event {
	name := "user:typing"
	if stopped {
		name = "user:stopped-typing"
	}
	e := told(name, struct {
		Room string `json:"room"`
		User string `json:"user"`
	}{room, user})
	e.Room, e.From = room, user
	return e
}

func told(name string, of any) Event {
	data, err := json.Marshal(of)
	if err != nil {
		panic("frame: spell " + name + ": " + err.Error()) // texts and a number
	}
	return Event{Name: name, Data: data}
}

// Shutdown is the event that announces the end of a connection, after which
// the client is asked to wait before it comes back.
func Shutdown(message string, reconnectAfter time.Duration) Event {
	return told("server:shutdown", struct {
		Message          string `json:"message"`
		ReconnectAfterMs int64  `json:"reconnectAfterMs"`
	}{message, reconnectAfter.Milliseconds()})
}
