package native

import (
	"encoding/json"
	"errors"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

var (
	errStatus = errors.New(`data is {"status":"online|away|busy|invisible"} with text and data (an object) if wanted`)
	errTyping = errors.New(`data is {"room":"task:42"}`)
	errRoster = errors.New(`data is {"room":"task:42"} with after (the next of the page before) if wanted, or {"users":["ann"]}`)
)

// readPresence reads what is asked of presence, or told to it.
func readPresence(ref frame.Ref, name string, data json.RawMessage) (frame.In, error) {
	switch name {
	case "status:change":
		return readStatus(ref, data)
	case "presence:get":
		return readRoster(ref, data)
	}
	var d struct {
		Room string `json:"room"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Room == "" {
		return nil, errTyping
	}
	return frame.Typing{Ref: ref, Room: d.Room, Stopped: name == "typing:stop"}, nil
}

func readStatus(ref frame.Ref, data json.RawMessage) (frame.In, error) {
	var d struct {
		Status string          `json:"status"`
		Text   string          `json:"text"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Status == "" {
		return nil, errStatus
	}
	if string(d.Data) == "null" {
		d.Data = nil
	}
	if d.Data != nil && first(d.Data) != '{' {
		return nil, errStatus
	}
	return frame.Status{Ref: ref, Status: d.Status, Text: d.Text, Data: d.Data}, nil
}

func readRoster(ref frame.Ref, data json.RawMessage) (frame.In, error) {
	var d struct {
		Room  string   `json:"room"`
		After string   `json:"after"`
		Users []string `json:"users"`
	}
	if err := json.Unmarshal(data, &d); err != nil || (d.Room == "") == (d.Users == nil) {
		return nil, errRoster
	}
	return frame.Roster{Ref: ref, Room: d.Room, After: d.After, Users: d.Users}, nil
}
