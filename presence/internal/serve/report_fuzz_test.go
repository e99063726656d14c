package serve

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/presence/internal/spelling"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// FuzzReportThatIsTakenCanBeStoredAndReadBack takes whatever a report may be:
// a stand that is valid has a key and a record that every replica reads as
// they were written, and that clients can be shown.
func FuzzReportThatIsTakenCanBeStoredAndReadBack(f *testing.F) {
	for _, text := range []string{
		`{"gateway":"g1","connections":[{"connection":"g1-1","user":"ann@example.com","turn":1,"door":"native","ip":"192.0.2.1","since":1,"info":{"name":"Ann"},"rooms":["task:42","task:42"],"first":true}]}`,
		`{"gateway":"g1","connections":[{"connection":"g1-1","user":"ann","turn":2,"rooms":["task:a.b c"],"status":{"status":"away","text":"x","data":{"a":[1]}},"fresh":true}]}`,
		`{"gateway":"g1","connections":[{"connection":"g1-1","user":"ann","turn":3,"end":{"at":5,"reason":"closed \u2028 <b>","grace":true}}]}`,
		"{\"connections\":[{\"connection\":\"g1-1\",\"user\":\"ann\",\"turn\":1,\"info\":{\"name\":\"\xff\"}}]}",
		`{"connections":[{"connection":"g1.1","user":"","turn":0,"info":null,"rooms":["x"],"status":{},"fresh":true}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in wire.PresenceReport
		if json.Unmarshal(data, &in) != nil {
			return
		}
		for _, s := range in.Connections {
			if valid(s) {
				stored(t, roster.Key{User: s.User, Gateway: "g1", Conn: s.Connection}, s)
			}
		}
	})
}

// stored judges what becomes of a stand.
func stored(t *testing.T, key roster.Key, s wire.PresenceStand) {
	t.Helper()
	if got, ok := roster.ParseKey(key.String()); !ok || got != key {
		t.Fatalf("key %+v is read back as %+v, %v", key, got, ok)
	}
	rec, verdict := roster.Stand(roster.Stored{}, s, nil, 0, 1)
	if verdict != roster.Write {
		t.Fatalf("a first report is %v, want Write", verdict)
	}
	text, err := json.Marshal(rec)
	if err != nil || !utf8.Valid(text) {
		t.Fatalf("record is spelt %q, %v", text, err)
	}
	got, err := spelling.NewReader().Record(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if again, err := json.Marshal(got); err != nil || string(again) != string(text) {
		t.Fatalf("%s is read back as %s, %v", text, again, err)
	}
	r := roster.New()
	r.Apply(1, key, got)
	if _, here := r.Of(roster.Touch{User: key.User}); here != (rec.End == nil) {
		t.Fatalf("%s: here is %v", text, here)
	}
}
