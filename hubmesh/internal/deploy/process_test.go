package deploy

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds what a program may take to say what a test waits for.
const patience = time.Minute

// process is a program of the image, running as compose would run it, and what
// it has logged.
type process struct {
	name string
	cmd  *exec.Cmd

	mu    sync.Mutex // guards lines and ended
	said  *sync.Cond // on mu: a line more, or the end
	lines []string
	ended bool
}

// start runs a program with this environment and no other. It is killed with
// the test, if it has not ended before.
func start(t *testing.T, name, program string, args, env []string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(program, args...)}
	p.said = sync.NewCond(&p.mu)
	p.cmd.Env, p.cmd.Dir = env, t.TempDir()
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.listen(bufio.NewScanner(out))
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // of one that has ended: an error, and no harm
		<-read
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("%s logged:\n%s", name, strings.Join(p.lines, "\n"))
		}
	})
	return p
}

func (p *process) listen(lines *bufio.Scanner) {
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		p.said.Broadcast()
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.ended = true
	p.said.Broadcast()
	p.mu.Unlock()
}

// until waits for a line of the log with this message.
func (p *process) until(t *testing.T, msg string) map[string]any {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; ; i++ {
		for i == len(p.lines) && !p.ended {
			p.said.Wait()
		}
		if i == len(p.lines) {
			t.Fatalf("%s ended, or was killed after %v, without saying %q", p.name, patience, msg)
		}
		line := make(map[string]any)
		if err := json.Unmarshal([]byte(p.lines[i]), &line); err == nil && line["msg"] == msg {
			return line
		}
	}
}

// end waits for the program to end with status 0; one that does not end by
// itself is told to.
func (p *process) end(t *testing.T, told bool) {
	t.Helper()
	if told {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	p.mu.Lock()
	for !p.ended {
		p.said.Wait()
	}
	p.mu.Unlock()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s ended with %v, want status 0", p.name, err)
	}
}

// refused is the lines in which NATS refused something to the program.
func (p *process) refused() (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if strings.Contains(strings.ToLower(line), "permissions violation") {
			lines = append(lines, line)
		}
	}
	return lines
}
