package trail_test

import (
	"fmt"

	"github.com/hubmesh/hubmesh/gateway/internal/trail"
)

func ExampleRing() {
	const ann, bob trail.Room = 0x1a2b3c4d5e6f7081, 0x9f8e7d6c5b4a3928 // hashes of their rooms' names
	r := trail.New(1024)
	r.Begin(100)
	for _, room := range []trail.Room{ann, bob, ann, ann} {
		_, upTo := r.Knows()
		r.Add(upTo+1, room)
	}
	fmt.Println(r.Since(ann, 101, 10))
	fmt.Println(r.Since(ann, 99, 10)) // older than what it knows
	r.Grow(90, []trail.Event{{Offset: 95, Room: ann}})
	fmt.Println(r.Since(ann, 90, 10))
	// Output:
	// [103 104] true
	// [] false
	// [95 101 103 104] true
}
