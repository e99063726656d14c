package spelling_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/hubmesh/hubmesh/presence/internal/spelling"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// full is a record in which every field stands.
var full = wire.PresenceRecord{
	Turn: 7, Door: "native", IP: "2001:db8::1", Since: 1700000000000, Info: json.RawMessage(`{"name":"Zoë \"Z\"","tags":["a]",{}]}`),
	Rooms:    []string{"task:42", "lobby:ä"},
	Status:   &wire.UserStatus{Status: wire.Away, Text: "lunch", Data: json.RawMessage(`{"until":1}`)},
	StatusAt: 1700000000001, End: &wire.PresenceEnd{At: 1700000000002, Reason: "closed", Grace: true}, Told: true, Swept: true,
}

// fullWord is a word in which every field stands.
var fullWord = wire.PresenceTold{
	PresenceUpdate: wire.PresenceUpdate{
		Room: "task:42", User: "ann@example.com", Status: wire.Busy, Connections: 2, Change: wire.Changed,
		Info: json.RawMessage(`{"name":"Ann"}`), Text: "in a call", Data: json.RawMessage(`[1,2]`),
	},
	Users: 3, Epoch: "e1", Log: 99,
}

// spelt is v as presence stores it.
func spelt(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// others is spellings that presence does not write, right and wrong.
var others = []string{
	``, `{`, `{}`, `null`, `[]`, `{} `, `{"turn":1`, `{"turn":1}}`, `{"turn":01}`, `{"turn":-1}`, `{"turn":1.5}`, `{"turn":1e3}`,
	`{"turn":18446744073709551615}`, `{"turn":18446744073709551616}`, `{"turn":1,"turn":2}`, `{"Turn":3}`, `{ "turn" : 4 }`, `{,"turn":1}`,
	`{"door":"a\u00e9\n"}`, "{\"door\":\"\xff\"}", "{\"door\":\"\x01\"}", `{"door":null}`, `{"door":"x"`, `{"door":"x","turn":1}`,
	`{"rooms":[]}`, `{"rooms":null}`, `{"rooms":["a",]}`, `{"rooms":["a" ]}`, `{"info":null}`, `{"info":1}`, `{"info":{"a":}}`, `{"info":{"a":"\ud800"}}`,
	`{"info":{]}`, `{"info":[}`, `{"told":false}`, `{"told":tru}`, `{"end":{}}`, `{"end":null}`, `{"status":{"status":"away","status":"busy"}}`, `{"later":1}`,
}

func seed(f *testing.F) {
	f.Helper()
	for _, text := range others {
		f.Add([]byte(text))
	}
	for _, v := range []any{full, fullWord, wire.PresenceRecord{}, wire.PresenceTold{}} {
		f.Add(spelt(f, v))
	}
}

// same judges that a spelling is read as encoding/json reads it, also by a
// reader that has read something else before.
func same[T any](t *testing.T, data []byte, read func([]byte) (*T, error), before []byte) {
	t.Helper()
	var want T
	wantErr := json.Unmarshal(data, &want)
	if _, err := read(before); err != nil {
		t.Fatalf("%s: %v", before, err)
	}
	got, err := read(bytes.Clone(data))
	switch {
	case (err != nil) != (wantErr != nil):
		t.Fatalf("%q: error is %v, want %v", data, err, wantErr)
	case err == nil && !bytes.Equal(spelt(t, got), spelt(t, want)):
		t.Fatalf("%q is read as %s, want %s", data, spelt(t, got), spelt(t, want))
	}
}

func FuzzRecordIsReadAsEncodingJSONReadsIt(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		same(t, data, spelling.NewReader().Record, spelt(t, full))
	})
}

func FuzzWordIsReadAsEncodingJSONReadsIt(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		same(t, data, spelling.NewReader().Word, spelt(t, fullWord))
	})
}

// If a field is added to a record or a word, and not here, all would be read
// slowly and nobody would see it.
func TestWhatPresenceWritesIsReadWithoutEncodingJSON(t *testing.T) {
	for _, v := range []any{full, fullWord} {
		for i := range reflect.TypeOf(v).NumField() {
			if reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("%T of this test leaves out %s", v, reflect.TypeOf(v).Field(i).Name)
			}
		}
	}
	r := spelling.NewReader()
	for name, c := range map[string]struct {
		text []byte
		read func([]byte) error
		into any
	}{
		"record": {spelt(t, full), func(b []byte) error { _, err := r.Record(b); return err }, new(wire.PresenceRecord)},
		"word":   {spelt(t, fullWord), func(b []byte) error { _, err := r.Word(b); return err }, new(wire.PresenceTold)},
	} {
		own := testing.AllocsPerRun(100, func() { _ = c.read(c.text) })
		other := testing.AllocsPerRun(100, func() { _ = json.Unmarshal(c.text, c.into) })
		if own >= other {
			t.Errorf("a %s takes %v allocations, and by encoding/json %v: it is left to that", name, own, other)
		}
	}
}

func TestAStringOutlivesWhatItWasReadFrom(t *testing.T) {
	r := spelling.NewReader()
	data := spelt(t, full)
	rec, err := r.Record(data)
	if err != nil {
		t.Fatal(err)
	}
	door, ip, room, status := rec.Door, rec.IP, rec.Rooms[1], *rec.Status
	for i := range data {
		data[i] = 'x'
	}
	if door != full.Door || ip != full.IP || room != full.Rooms[1] || status.Text != full.Status.Text || string(status.Data) != string(full.Status.Data) {
		t.Errorf("they have become %q, %q, %q, %+v", door, ip, room, status)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := spelling.NewReader()
	data := []byte(`{"turn":2,"door":"native","ip":"192.0.2.1","since":1700000000000,"info":{"name":"User 1"},"rooms":["task:42"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Record(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON is the same record by encoding/json.
func BenchmarkEncodingJSON(b *testing.B) {
	data := []byte(`{"turn":2,"door":"native","ip":"192.0.2.1","since":1700000000000,"info":{"name":"User 1"},"rooms":["task:42"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(data, new(wire.PresenceRecord)); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	r := spelling.NewReader()
	rec, err := r.Record([]byte(`{"turn":2,"door":"native","ip":"192.0.2.1","since":1700000000000,"rooms":["task:42"]}`))
	fmt.Println(rec.Turn, rec.Door, rec.Rooms, err)
	// Output: 2 native [task:42] <nil>
}
