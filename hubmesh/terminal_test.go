package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	status, err := withBinary(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func withBinary(run func() int) (status int, err error) {
	dir, err := os.MkdirTemp("", "hubmesh")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary = filepath.Join(dir, "hubmesh")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return run(), nil
}

// patience bounds what a test waits for; it takes milliseconds, but not on a
// busy machine.
const patience = 30 * time.Second

// transcript is what a program writes, to be waited for. Safe for concurrent
// use; one goroutine waits.
type transcript struct {
	more chan struct{} // holds one: something was written

	mu   sync.Mutex // guards text
	text bytes.Buffer
	read int // up to where until has looked; the waiter's
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{}, 1)} }

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	select {
	case tr.more <- struct{}{}:
	default:
	}
	return tr.text.Write(p)
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// until reads on to a line that pattern matches, and returns what its groups
// matched.
func (tr *transcript) until(t testing.TB, pattern string) []string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		for text := tr.String(); ; {
			line, _, whole := strings.Cut(text[tr.read:], "\n")
			if !whole {
				break
			}
			tr.read += len(line) + 1
			if got := want.FindStringSubmatch(line); got != nil {
				return got
			}
		}
		select {
		case <-tr.more:
		case <-late.C:
			t.Fatalf("no line matches %s in:\n%s", pattern, tr)
		}
	}
}

// program is the program under test, running.
type program struct {
	t        testing.TB
	cmd      *exec.Cmd
	out, err *transcript
	ended    bool
}

// start starts the program in dir, with no variables of hubmesh's but env.
func start(t testing.TB, dir string, env []string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*patience)
	p := &program{t: t, cmd: exec.CommandContext(ctx, binary, args...), out: newTranscript(), err: newTranscript()}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.err
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HUBMESH_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.interrupt()
		p.wait()
		cancel()
	})
	return p
}

// interrupt is Ctrl-C.
func (p *program) interrupt() {
	p.t.Helper()
	if p.ended {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("interrupt %v: %v", p.cmd.Args[1:], err)
	}
}

// wait returns the exit status.
func (p *program) wait() (status int) {
	p.t.Helper()
	if !p.ended {
		p.ended = true
		var exit *exec.ExitError
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
			p.t.Errorf("%v: %v", p.cmd.Args[1:], err)
		}
	}
	return p.cmd.ProcessState.ExitCode()
}

// run runs the program to its end.
func run(t testing.TB, dir string, env []string, args ...string) (out, faults string, status int) {
	t.Helper()
	p := start(t, dir, env, args...)
	status = p.wait()
	return p.out.String(), p.err.String(), status
}

// home is a running hubmesh dev on ports of its own.
type home struct {
	*program
	dir  string
	url  string // of the gateway
	nats string
}

func dev(t testing.TB, dir string, env ...string) home {
	t.Helper()
	return devAt(t, dir, append([]string{"HUBMESH_LISTEN=127.0.0.1:0", "HUBMESH_DEV_NATS_LISTEN=127.0.0.1:0"}, env...)...)
}

// devAt is dev on the ports that env says, or the default ones.
func devAt(t testing.TB, dir string, env ...string) home {
	t.Helper()
	p := start(t, dir, env)
	h := home{program: p, dir: dir}
	h.url = "http://" + p.out.until(t, `clients +ws://(.*)/ws`)[1]
	h.nats = p.out.until(t, `NATS +(nats://\S+)`)[1]
	return h
}

// client runs a client's command against it, to its end.
func (h home) client(args ...string) (out, faults string, status int) {
	h.t.Helper()
	return run(h.t, h.dir, nil, append(args, "--url", h.url)...)
}

// hears starts a sub that has entered its room.
func (h home) hears(room string, more ...string) *program {
	h.t.Helper()
	p := start(h.t, h.dir, nil, append([]string{"sub", room, "--url", h.url}, more...)...)
	p.err.until(h.t, "^hearing "+regexp.QuoteMeta(room)+" from")
	return p
}
