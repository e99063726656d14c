package native_test

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/door/native"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

func Example() {
	hello, _, _ := native.Door{}.Meet(door.Handshake{Query: url.Values{"token": {"a.b.c"}}, Header: http.Header{}})
	fmt.Println(hello.Proof.Token)

	asks, _ := hello.Talk.Hear(door.Packet{Data: []byte(`{"id":1,"event":"subscribe","data":"task:42"}`)})
	ask, ok := asks[0].(frame.Subscribe)
	fmt.Println(ok, ask.Rooms[0].Room)

	for _, p := range hello.Talk.Say(frame.Ack{Ref: ask.Ref, Body: frame.Stored{Offset: 12}}) {
		fmt.Println(string(p.Data))
	}
	// Output:
	// a.b.c
	// true task:42
	// {"ack":1,"data":{"offset":12}}
}
