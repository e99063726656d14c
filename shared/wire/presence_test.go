package wire_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/hubmesh/hubmesh/shared/wire"
)

var update = flag.Bool("update", false, "write what the messages look like into the files that are compared with them")

// TestPresenceLooksAsItDid holds the JSON of every message about presence
// still: services of two versions must understand each other.
func TestPresenceLooksAsItDid(t *testing.T) {
	info, data := json.RawMessage(`{"name":"Ann"}`), json.RawMessage(`{"mood":"fine"}`)
	status := &wire.UserStatus{Status: wire.Away, Text: "lunch", Data: data}
	end := &wire.PresenceEnd{At: 1700000005000, Reason: "closed", Grace: true}
	seen := wire.PresenceUpdate{Room: "task:42", User: "ann", Status: wire.Away, Connections: 2, Change: wire.Joined, Info: info, Text: "lunch", Data: data}
	user := wire.PresenceUser{User: "ann", Info: info, Status: wire.Away, Text: "lunch", Data: data, Connections: 2, Since: 1700000000000, LastSeen: 1700000009000}
	for name, m := range map[string]any{
		"report": wire.PresenceReport{Gateway: "g1", Connections: []wire.PresenceStand{
			{Connection: "g1-1", User: "ann", Turn: 3, Door: "native", IP: "192.0.2.1", Since: 1700000000000, Info: info, Rooms: []string{"task:42"}, Status: status, Fresh: true, First: true, Again: true, End: end},
			{Connection: "g1-2", User: "bob", Turn: 1, Door: "native", IP: "192.0.2.2", Since: 1700000000000},
		}},
		"reported":     wire.PresenceReported{Sequence: 17, Failed: []string{"g1-1"}, Refused: []string{"g1-2"}},
		"record":       wire.PresenceRecord{Turn: 3, Door: "native", IP: "192.0.2.1", Since: 1700000000000, Info: info, Rooms: []string{"task:42"}, Status: status, StatusAt: 1700000001000, End: end, Told: true, Swept: true},
		"update":       seen,
		"told":         wire.PresenceTold{PresenceUpdate: seen, Users: 3, Epoch: "e", Log: 17},
		"room_ask":     wire.PresenceRoomAsk{Room: "task:42", After: "ann", Limit: 50, User: "bob", AtLeast: 17},
		"room_answer":  wire.PresenceRoomAnswer{Users: []wire.PresenceUser{user}, Counts: wire.PresenceCounts{Users: 1, Connections: 2}, Next: "ann", Epoch: "e", Told: 9},
		"count_ask":    wire.PresenceCountAsk{Room: "task:42"},
		"users_ask":    wire.PresenceUsersAsk{Users: []string{"ann"}, For: "bob"},
		"users_answer": wire.PresenceUsersAnswer{Users: []wire.PresenceUser{user}},
		"client":       wire.ClientRecord{Connection: "g1-1", User: "ann", Door: "native", Gateway: "g1", IP: "192.0.2.1", At: 1700000000000, Reason: "closed", Again: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(m, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			path := filepath.Join("testdata", "presence", name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s is\n%swant\n%s", name, got, want)
			}
		})
	}
}
