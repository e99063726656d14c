package authz_test

import (
	"fmt"

	"github.com/hubmesh/hubmesh/authz"
)

func ExampleCheckPolicy() {
	fmt.Println(authz.CheckPolicy("policy.yaml", []byte("task:\n  join: member(room)\n  publish: claim.editor\n")))
	fmt.Println(authz.CheckPolicy("policy.yaml", []byte("task: {join: member(room)}\n")))
	// Output:
	// policy.yaml:3: task.publish: undeclared reference to 'claim' (did you mean 'claims'?)
	// <nil>
}

func ExamplePolicyValues() {
	values, err := authz.PolicyValues("policy.yaml", []byte("task:\n  join: member(room)\n  publish: \"false\" # for now\n"))
	fmt.Printf("%s%v", values["task"], err)
	// Output:
	// join: member(room)
	// publish: "false" # for now
	// <nil>
}
