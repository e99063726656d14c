package frame_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestParsePosition(t *testing.T) {
	for text, want := range map[string]frame.Position{
		"e:12":                     {Epoch: "e", Offset: 12},
		"e:0":                      {Epoch: "e"},
		"e:18446744073709551615":   {Epoch: "e", Offset: 1<<64 - 1},
		"3fa-_é :00012":            {Epoch: "3fa-_é ", Offset: 12},
		"unix 1700000000000000:12": {Epoch: "unix 1700000000000000", Offset: 12},
	} {
		if got, err := frame.ParsePosition(text); got != want || err != nil {
			t.Errorf("ParsePosition(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":", "12", "e", "e:", ":12", "e:x", "e:-1", "e:+1", "e: 1", "e:1 ", "e:1.0", "e:0x1", "e:1:2", "e:18446744073709551616"} {
		if got, err := frame.ParsePosition(text); err == nil || got != (frame.Position{}) {
			t.Errorf("ParsePosition(%q) = %+v, %v, want an error", text, got, err)
		}
	}
}

func TestRefOfIsTheAsksOwn(t *testing.T) {
	ref := frame.Ref{N: 7, Wanted: true}
	for _, ask := range []frame.In{
		frame.Auth{Ref: ref}, frame.Subscribe{Ref: ref}, frame.Unsubscribe{Ref: ref}, frame.Publish{Ref: ref}, frame.Call{Ref: ref},
		frame.Refresh{Ref: ref}, frame.History{Ref: ref}, frame.Heartbeat{Ref: ref}, frame.Wrong{Ref: ref}, frame.Malformed{Ref: ref},
	} {
		if got := frame.RefOf(ask); got != ref {
			t.Errorf("RefOf(%T) = %+v, want %+v", ask, got, ref)
		}
	}
	if got := frame.RefOf(frame.Broken{End: frame.Protocol}); got != (frame.Ref{}) {
		t.Errorf("RefOf(Broken) = %+v, want none: it is no ask", got)
	}
}

func TestEachEndHasATextOfItsOwn(t *testing.T) {
	ends := frame.Ends()
	if ends[0] != frame.GoingAway || ends[len(ends)-1] != frame.Flood {
		t.Errorf("Ends() = %v, want from %v to %v", ends, frame.GoingAway, frame.Flood)
	}
	seen := map[string]bool{}
	for _, e := range ends {
		if e.String() == "" || seen[e.String()] {
			t.Errorf("end %d is %q, want a text of its own", int(e), e)
		}
		seen[e.String()] = true
	}
}

func TestAProblemIsOneWithACode(t *testing.T) {
	if (frame.Problem{}).Is() || !(frame.Problem{Code: wire.Timeout}).Is() {
		t.Error("the zero Problem is none, any with a code is one")
	}
}

func TestAnEventIsSpeltAsOneObject(t *testing.T) {
	for want, e := range map[string]frame.Event{
		`{"event":"task:update","room":"task:42","data":{"n" : 1},"offset":3,"from":"ann","time":5}`: {Name: "task:update", Room: "task:42", Data: []byte(`{"n" : 1}`), Offset: 3, From: "ann", TimeMs: 5},
		`{"event":"hello","data":"you"}`:                                   {Name: "hello", Data: []byte(`"you"`)},
		`{"event":"hello","data":null}`:                                    {Name: "hello"},
		`{"event":"image","data":{"base64":"AP8="}}`:                       {Name: "image", Data: []byte{0, 255}, Binary: true},
		`{"event":"image","data":{"base64":""}}`:                           {Name: "image", Binary: true},
		`{"event":"a\"b","room":"task:\u003c","data":1,"from":"\ufffd\n"}`: {Name: `a"b`, Room: "task:<", Data: []byte("1"), From: "\xff\n"},
	} {
		if got := string(frame.AppendJSON([]byte("["), e)); got != "["+want || !json.Valid([]byte(got[1:])) {
			t.Errorf("AppendJSON(%+v) = %s, want [%s", e, got, want)
		}
	}
}

func TestBodiesAreTheSameJSONThroughEveryDoor(t *testing.T) {
	yes, three := true, 3
	for want, body := range map[string]frame.Body{
		`{}`:                          frame.Done{},
		`{"rooms":[],"denied":[]}`:    frame.Subscribed{Rooms: []frame.Entered{}, Denied: []frame.Denied{}},
		`{"offset":12}`:               frame.Stored{Offset: 12},
		`{"expiresAt":1700000000000}`: frame.Expiry{ExpiresAt: 1_700_000_000_000},
		`{"time":1700000000000,"position":{"epoch":"e","offset":12}}`:                                frame.Beat{Time: 1_700_000_000_000, Position: frame.Position{Epoch: "e", Offset: 12}},
		`{"events":[{"event":"e","room":"task:42","data":null,"offset":3}],"epoch":"e","more":true}`: frame.Past{Events: []frame.Event{{Name: "e", Room: "task:42", Offset: 3}}, Epoch: "e", More: true},
		`[1,2]`: frame.Reply{Data: json.RawMessage(`[1,2]`)},
		`{"rooms":[{"room":"task:42","offset":12,"epoch":"e","recovered":true,"missed":3}],"denied":[]}`: frame.Subscribed{
			Rooms: []frame.Entered{{Room: "task:42", Offset: 12, Epoch: "e", Recovered: &yes, Missed: &three}}, Denied: []frame.Denied{},
		},
	} {
		if got, err := json.Marshal(body); string(got) != want || err != nil {
			t.Errorf("%T is %s, %v, want %s", body, got, err, want)
		}
	}
}

func ExampleAppendJSON() {
	e := frame.Event{Name: "task:update", Room: "task:42", Data: []byte(`{"taskId":"42"}`), Offset: 12, From: "ann", TimeMs: 1_700_000_000_000}
	fmt.Println(string(frame.AppendJSON(nil, e)))
	// Output: {"event":"task:update","room":"task:42","data":{"taskId":"42"},"offset":12,"from":"ann","time":1700000000000}
}

func ExampleParsePosition() {
	p, err := frame.ParsePosition("3w5e11264sgsf:42")
	fmt.Println(p.Epoch, p.Offset, err)
	// Output: 3w5e11264sgsf 42 <nil>
}
