package program_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/program"
)

// echo is a whole service: it answers on the subject that it was configured
// with.
type echo struct {
	sub  *nats.Subscription
	held chan struct{} // closed: the drain may end
}

func (e *echo) Ready(context.Context) error { return nil }

func (e *echo) Serve(ctx context.Context) error {
	<-ctx.Done()
	<-e.held
	return e.sub.Unsubscribe()
}

// service is the program of an echo. Its drain ends when held is closed.
func service(held chan struct{}) program.Program {
	var subject string
	return program.Program{
		Name: "echo", About: "answers what it is asked.", Admin: "127.0.0.1:0",
		Bind: func(set *env.Set) { set.String(&subject, "HUBMESH_ECHO", "echo", "subject it answers on") },
		Listen: func(_ context.Context, nc *nats.Conn, _ obs.Kit) (program.Server, error) {
			sub, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) })
			if err != nil {
				return nil, err
			}
			return &echo{sub, held}, nc.Flush()
		},
	}
}

func listening(o *server.Options) { o.DontListen = false }

func vars(pairs ...string) func(string) (string, bool) {
	set := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := set[name]; return v, ok }
}

// lines reads a program's log line by line.
type lines struct {
	t    *testing.T
	scan *bufio.Scanner
}

// until reads on to the line with this message.
func (l lines) until(msg string) map[string]any {
	l.t.Helper()
	var seen []string
	for l.scan.Scan() {
		line := map[string]any{}
		if err := json.Unmarshal(l.scan.Bytes(), &line); err == nil && line["msg"] == msg {
			return line
		}
		seen = append(seen, l.scan.Text())
	}
	l.t.Fatalf("no line %q in the log:\n%s", msg, strings.Join(seen, "\n"))
	return nil
}

// start runs p in this process; its end is told on the channel.
func start(ctx context.Context, t *testing.T, p program.Program, lookup func(string) (string, bool)) (lines, chan int) {
	t.Helper()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- p.Run(ctx, program.Process{Lookup: lookup, Stdout: io.Discard, Stderr: w})
		_ = w.Close()
	}()
	return lines{t, bufio.NewScanner(r)}, ended
}

func ready(t *testing.T, addr any) (code int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + addr.(string) + obs.ReadyPath) //nolint:errcheck // a panic says it too
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

func TestAProgramServesUntilItIsToldToEndAndAnswersOperatorsMeanwhile(t *testing.T) {
	s := natstest.Server(t, listening)
	held := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	log, ended := start(ctx, t, service(held), vars("HUBMESH_NATS_URL", s.ClientURL(), "HUBMESH_ECHO", "here"))
	addr := log.until("program: serves operators")["addr"]
	log.until("program: serves")
	if code, body := ready(t, addr); code != 200 {
		t.Errorf("serving: ready = %d %s, want 200", code, body)
	}
	answer, err := natstest.Conn(t, s).RequestWithContext(t.Context(), "here", []byte("x"))
	if err != nil || string(answer.Data) != "x" {
		t.Errorf("asked on its subject: %v, want its echo", err)
	}

	stop()
	log.until("program: drains")
	if code, body := ready(t, addr); code != 503 || !strings.Contains(body, "draining") {
		t.Errorf("draining: ready = %d %s, want 503", code, body)
	}
	close(held)
	log.until("program: ended")
	if status := <-ended; status != program.OK {
		t.Errorf("told to end: status %d, want %d", status, program.OK)
	}
}

func TestAProgramThatStartsSaysWhyItIsNotReady(t *testing.T) {
	s := natstest.Server(t, listening)
	p := service(nil)
	missing, asked := errors.New("HUB_X is missing"), make(chan struct{})
	p.Needs = func(context.Context, *nats.Conn) error { return missing }
	p.Listen = func(ctx context.Context, _ *nats.Conn, _ obs.Kit) (program.Server, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	log, ended := start(ctx, t, p, vars("HUBMESH_NATS_URL", s.ClientURL()))
	addr := log.until("program: serves operators")["addr"]
	<-asked
	if code, body := ready(t, addr); code != 503 || !strings.Contains(body, missing.Error()) {
		t.Errorf("ready = %d %s, want 503 and %q", code, body, missing)
	}
	stop()
	log.until("program: ended")
	if status := <-ended; status != program.OK {
		t.Errorf("told to end before it had begun: status %d, want %d", status, program.OK)
	}
}

func TestAProgramWaitsForNATS(t *testing.T) {
	s := natstest.Server(t, listening)
	url := s.ClientURL()
	s.Shutdown()
	ctx, stop := context.WithCancel(t.Context())
	log, ended := start(ctx, t, service(nil), vars("HUBMESH_NATS_URL", url))
	addr := log.until("program: serves operators")["addr"]
	log.until("natsconn: NATS is away")
	if code, body := ready(t, addr); code != 503 || !strings.Contains(body, "NATS is away") {
		t.Errorf("ready = %d %s, want 503 and that NATS is away", code, body)
	}
	stop()
	log.until("program: ended")
	if status := <-ended; status != program.OK {
		t.Errorf("status %d, want %d", status, program.OK)
	}
}

func TestAProgramEndsWhenItCannotGoOn(t *testing.T) {
	s := natstest.Server(t, listening, func(o *server.Options) { o.Username, o.Password = "echo", "right" })
	login := []string{"HUBMESH_NATS_URL", s.ClientURL(), "HUBMESH_NATS_USER", "echo", "HUBMESH_NATS_PASSWORD"}
	refusing := service(nil)
	refusing.Listen = func(context.Context, *nats.Conn, obs.Kit) (program.Server, error) {
		return (*echo)(nil), errors.New("echo: listen: no")
	}
	for name, c := range map[string]struct {
		p    program.Program
		vars []string
		want string
	}{
		"as NATS refuses its login":            {service(nil), append(login, "wrong"), "authorization violation"},
		"as it cannot listen":                  {refusing, append(login, "right"), "echo: listen: no"},
		"as the operators' address is not its": {service(nil), append(login, "right", "HUBMESH_ADMIN_LISTEN", "192.0.2.1:1"), "HUBMESH_ADMIN_LISTEN"},
	} {
		t.Run(name, func(t *testing.T) {
			log, ended := start(t.Context(), t, c.p, vars(c.vars...))
			line := log.until("program: ended by a failure")
			if got := fmt.Sprint(line["err"]); !strings.Contains(strings.ToLower(got), strings.ToLower(c.want)) || strings.Contains(got, "\n") {
				t.Errorf("it says %q, want one line with %q", got, c.want)
			}
			if status := <-ended; status != program.Failed {
				t.Errorf("status %d, want %d", status, program.Failed)
			}
		})
	}
}

func TestWhatIsAskedOfAProgramWithoutRunningIt(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		vars   []string
		status int
		stdout []string
		stderr []string
	}{
		"help prints every variable with its default": {
			[]string{"--help"}, nil, program.OK,
			[]string{"echo: answers", "HUBMESH_ECHO (default: echo)", "HUBMESH_NATS_URL (default: nats://127.0.0.1:4222)", "HUBMESH_ADMIN_LISTEN (default: 127.0.0.1:0)", "HUBMESH_LOG (default: info)"}, nil,
		},
		"help is given also when the configuration is bad": {[]string{"-h"}, []string{"HUBMESH_LOG", "x"}, program.OK, []string{"HUBMESH_LOG"}, nil},
		"an unknown argument is refused":                   {[]string{"--port=1"}, nil, program.Usage, nil, []string{`"--port=1"`, "echo --help"}},
		"all faults are named at once": {
			nil, []string{"HUBMESH_LOG", "x", "HUBMESH_PPROF", "y", "HUBMESH_NATS_URL", "z://"}, program.Usage,
			nil, []string{"HUBMESH_LOG: ", "HUBMESH_PPROF: ", "HUBMESH_NATS_URL: ", "echo --help"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := service(nil).Run(t.Context(), program.Process{Args: c.args, Lookup: vars(c.vars...), Stdout: &stdout, Stderr: &stderr})
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			for _, out := range []struct {
				got  string
				want []string
			}{{stdout.String(), c.stdout}, {stderr.String(), c.stderr}} {
				if (out.got == "") != (out.want == nil) {
					t.Errorf("printed %q, want %q", out.got, out.want)
				}
				for _, want := range out.want {
					if !strings.Contains(out.got, want) {
						t.Errorf("printed %q, want in it %q", out.got, want)
					}
				}
			}
		})
	}
}

// asProgram makes the test binary the program itself.
const asProgram = "HUBMESH_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		held := make(chan struct{})
		close(held)
		program.Main(service(held))
	}
	m.Run()
}
