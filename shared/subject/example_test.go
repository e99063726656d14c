package subject_test

import (
	"fmt"

	"github.com/hubmesh/hubmesh/shared/subject"
)

func Example() {
	room, err := subject.ParseRoom("task:a@b")
	if err != nil {
		fmt.Println(err)
		return
	}
	var tree subject.Tree
	fmt.Println(tree.Event(room))
	fmt.Println(tree.Call("task:create"))
	fmt.Println(tree.Stream(subject.Events))
	// Output:
	// hub.event.task.a=40b
	// hub.call.task.create
	// HUB_EVENTS
}

func ExampleTree_Users() {
	for _, p := range (subject.Tree{}).Users() {
		if p.User == subject.Ratelimit {
			fmt.Println(len(p.Publish), p.Subscribe)
		}
	}
	// Output: 6 [hub.svc.ratelimit.take _INBOX_ratelimit.> $SRV.>]
}
