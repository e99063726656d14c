package natstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// nodeVar tells a process, in its environment, which node it is.
const nodeVar = "NATSTEST_NODE"

// Main makes this process a node of a cluster if Processes started it as one,
// and does not return then. A package whose tests call Processes calls it first
// in its TestMain.
func Main() {
	text := os.Getenv(nodeVar)
	if text == "" {
		return
	}
	if err := runNode(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runNode serves until who started it closes our standard input, as its death
// does too. It says on standard output when it is well.
func runNode(text string) error {
	var m member
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return fmt.Errorf("natstest: read %s: %w", nodeVar, err)
	}
	s, err := server.NewServer(m.options())
	if err != nil {
		return fmt.Errorf("natstest: make server %s: %w", m.Name, err)
	}
	s.Start()
	defer stop(s)
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what is waited for
		close(ended)
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !well(s, len(m.Others)+1) {
		select {
		case <-tick.C:
		case <-ended:
			return nil
		}
	}
	if _, err := fmt.Println("well"); err != nil {
		return fmt.Errorf("natstest: tell that %s is well: %w", m.Name, err)
	}
	<-ended
	return nil
}

// well reports whether a node of n has caught up and knows a leader; the
// leader, whether it sees all others.
func well(s *server.Server, n int) bool {
	if !s.ReadyForConnections(time.Millisecond) || s.Healthz(&server.HealthzOptions{}).Status != "ok" {
		return false
	}
	if s.JetStreamIsLeader() {
		return leads(s, n)
	}
	z, err := s.Jsz(nil)
	return err == nil && z.Meta != nil && z.Meta.Leader != ""
}

// Processes is a cluster of servers with JetStream, each a process of its own
// that can be killed. Not safe for concurrent use.
type Processes struct {
	t     testing.TB
	all   []member
	ctl   *nats.Conn
	cmd   []*exec.Cmd
	stdin []io.Closer
}

// ClusterOfProcesses starts n servers, each this program again, and returns
// when JetStream answers on all. They end with the test, or with this process.
func ClusterOfProcesses(t testing.TB, n int) *Processes {
	t.Helper()
	p := &Processes{t: t, all: members(t, n), cmd: make([]*exec.Cmd, n), stdin: make([]io.Closer, n)}
	t.Cleanup(func() {
		for i, in := range p.stdin {
			if in != nil { // it was started
				_ = in.Close() // it may have been killed
				_ = p.cmd[i].Wait()
			}
		}
	})
	nodes := make([]int, n)
	for i := range nodes {
		nodes[i] = i
	}
	p.Start(nodes...)
	p.ctl = open(t, p.URL(0), []nats.Option{nats.DontRandomize()})
	return p
}

// URL is where clients find node i, and the others while that one is away.
func (p *Processes) URL(i int) string { return address(p.all, i) }

// Start starts nodes, for the first time or after Kill, and returns when they
// have caught up.
func (p *Processes) Start(nodes ...int) {
	p.t.Helper()
	var outs []io.Reader
	for _, i := range nodes {
		text, err := json.Marshal(p.all[i])
		if err != nil {
			p.t.Fatal(err)
		}
		// Not for the test's context: clients end after that, and before the node.
		cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), os.Args[0]) //nolint:gosec // this program again
		cmd.Env, cmd.Stderr = append(os.Environ(), nodeVar+"="+string(text)), os.Stderr
		in, inErr := cmd.StdinPipe()
		out, outErr := cmd.StdoutPipe()
		if err := errors.Join(inErr, outErr); err != nil {
			p.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			p.t.Fatalf("natstest: start node %d: %v", i, err)
		}
		p.cmd[i], p.stdin[i], outs = cmd, in, append(outs, out)
	}
	for n, out := range outs {
		var word string
		if _, err := fmt.Fscanln(out, &word); err != nil {
			p.t.Fatalf("natstest: node %d did not become well: %v", nodes[n], err)
		}
	}
}

// Kill ends node i with SIGKILL.
func (p *Processes) Kill(i int) {
	p.t.Helper()
	if err := p.cmd[i].Process.Kill(); err != nil {
		p.t.Errorf("natstest: kill node %d: %v", i, err)
	}
	_ = p.cmd[i].Wait() // "signal: killed" is what was wanted
}

// Leader is the node that leads the stream, or -1 while none is known to.
func (p *Processes) Leader(stream string) int {
	m, err := p.ctl.Request("$JS.API.STREAM.INFO."+stream, nil, time.Second)
	if err != nil {
		return -1 // nobody answers for it now
	}
	var info struct{ Cluster struct{ Leader string } }
	if err := json.Unmarshal(m.Data, &info); err != nil {
		p.t.Fatalf("natstest: read the state of %s: %v", stream, err)
	}
	return slices.IndexFunc(p.all, func(m member) bool { return m.Name == info.Cluster.Leader })
}

// Lead makes node i the stream's leader, and returns when it is.
func (p *Processes) Lead(stream string, i int) {
	p.t.Helper()
	ask := fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, p.all[i].Name)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(readyWait); p.Leader(stream) != i; <-tick.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("natstest: make node %d the leader of %s: it is %d after %v", i, stream, p.Leader(stream), readyWait)
		}
		// It may be refused while the node has not caught up.
		_, _ = p.ctl.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, ask, time.Second)
	}
}
