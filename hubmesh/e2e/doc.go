// Package e2e holds the stories of the whole house: real gateways and services
// over a real NATS server, real clients on real sockets. It has tests only.
//
// Run it with -count=1: Go's cache of test results does not see what changed
// in the other modules. house_test.go opens a house; the other files are the
// stories.
package e2e
