package natstest

import (
	"bufio"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
)

// Raw publishes a message whose headers no client library would write:
// "NATS/1.0\r\n", lines, and an empty line, as they are. It returns when the
// server has taken it; a stream may store it a moment later.
func Raw(t testing.TB, s nats.InProcessConnProvider, subject, headers, data string) {
	t.Helper()
	c, err := s.InProcessConn()
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
	defer func() { _ = c.Close() }() // it said what it had to
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatalf("natstest: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB %s %d %d\r\n%s%s\r\nPING\r\n",
			subject, len(headers), len(headers)+len(data), headers, data)
		done <- err
	}()
	for line := ""; line != "PONG\r\n" && err == nil; {
		line, err = in.ReadString('\n')
	}
	if err == nil {
		err = <-done
	}
	if err != nil {
		t.Fatalf("natstest: %v", err)
	}
}
