package deploy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// up is docker-compose.yml, started.
type up struct {
	env      map[string]string // what .env would say
	nats     *server.Server
	bin      string // folder of the programs
	running  map[string]*process
	gateways map[string]string // their addresses, by service
}

// envFile fills in .env.example as one would who reads it.
func envFile(t *testing.T) map[string]string {
	t.Helper()
	env := example(t)
	for name := range env {
		if strings.HasSuffix(name, "_PASSWORD") || strings.HasSuffix(name, "_SECRET") {
			env[name] = rand.Text() + rand.Text()
		}
	}
	env["HUBMESH_EVENT_MAX_BYTES"] = "64MiB" // disks of test machines are small
	return env
}

// environment is what compose gives to a service, as a list.
func (u *up) environment(t *testing.T, s service) (list []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value, err := interpolate(s.Environment[name], u.env)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name+"="+value)
	}
	return list
}

// startNATS runs nats.conf with the environment of the service nats. Only the
// addresses and the folder are the test's, where a container has its own.
func (u *up) startNATS(t *testing.T, s service) {
	t.Helper()
	for _, pair := range u.environment(t, s) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	opts, err := server.ProcessConfigFile(filepath.Join(root, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.HTTPPort = "127.0.0.1", server.RANDOM_PORT, 0
	opts.StoreDir, opts.NoSigs, opts.NoLog = t.TempDir(), true, true
	u.nats, err = server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	u.nats.Start()
	t.Cleanup(func() { u.nats.Shutdown(); u.nats.WaitForShutdown() })
	if !u.nats.ReadyForConnections(patience) {
		t.Fatal("the NATS server is not ready")
	}
}

// freeAddr is an address where nobody listens now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// start runs one service. Where its environment names the host nats, it gets
// the server's address; and since containers have an address each but programs
// here share one, it gets ports of its own where it did not ask for any.
func (u *up) start(t *testing.T, name string, s service) *process {
	t.Helper()
	env := u.environment(t, s)
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "//nats:4222", "//"+u.nats.Addr().String())
	}
	env = append(env, "HUBMESH_ADMIN_LISTEN=127.0.0.1:0")
	if s.Command[0] == "gateway" {
		u.gateways[name] = freeAddr(t)
		env = append(env, "HUBMESH_LISTEN="+u.gateways[name])
	}
	p := start(t, name, filepath.Join(u.bin, s.Command[0]), s.Command[1:], env)
	u.running[name] = p
	return p
}

// composeUp starts every service in the order that depends_on asks for, and
// returns when all serve.
func composeUp(t *testing.T) *up {
	t.Helper()
	file := readCompose(t)
	u := &up{env: envFile(t), bin: build(t), running: map[string]*process{}, gateways: map[string]string{}}
	u.startNATS(t, file.Services["nats"])
	u.start(t, "setup", file.Services["setup"]).end(t, false)
	if t.Failed() {
		t.FailNow()
	}
	for name, s := range file.Services {
		if name != "nats" && name != "setup" {
			u.start(t, name, s)
		}
	}
	for name, p := range u.running {
		if name != "setup" {
			p.until(t, "program: serves")
		}
	}
	return u
}

// token mints one as an operator would, with the program of the image.
func (u *up) token(t *testing.T, user string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(u.bin, "hubmesh"), "token", "--sub", user, "--claim", "rooms=task:*")
	cmd.Env = []string{"HUBMESH_JWT_SECRET=" + u.env["HUBMESH_JWT_SECRET"]}
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hubmesh token: %v\n%s", err, faults.String())
	}
	return strings.TrimSpace(string(out))
}

func (u *up) dial(ctx context.Context, t *testing.T, gateway, user string) *hub.Client {
	t.Helper()
	c, err := hub.Dial(ctx, hub.Config{URL: "ws://" + u.gateways[gateway] + "/ws", Token: u.token(t, user)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	in, err := c.Subscribe(ctx, hub.Room{Room: "task:42"})
	if err != nil || len(in.Rooms) != 1 {
		t.Fatalf("%s enters task:42: %+v, %v", user, in, err)
	}
	return c
}

// backend logs in as the user that nats.conf has for programs of others, with
// a plain NATS client that sets nothing else.
func (u *up) backend(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(u.nats.ClientURL(), nats.UserInfo(subject.Backend, u.env[subject.PasswordVariable(subject.Backend)]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// hears waits for one event of the client.
func hears(ctx context.Context, t *testing.T, c *hub.Client, want, data string) {
	t.Helper()
	select {
	case e, ok := <-c.Events():
		if !ok || e.Event != want || string(e.Data) != data {
			t.Errorf("heard %q %s (%v), want %q %s", e.Event, e.Data, c.Err(), want, data)
		}
	case <-ctx.Done():
		t.Errorf("did not hear %q %s", want, data)
	}
}

func TestWhatComposeStartsDoesItsWorkWithTheRightsOfNATSConf(t *testing.T) {
	u := composeUp(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ann, bob := u.dial(ctx, t, "gateway-1", "ann"), u.dial(ctx, t, "gateway-2", "bob")
	backend, tree := u.backend(t), subject.Tree{}
	room := subject.Room{Type: "task", ID: "42"}

	stored := &nats.Msg{Subject: tree.Event(room), Data: []byte(`{"by":"nats"}`), Header: nats.Header{wire.HeaderEvent: {"task:update"}}}
	if _, err := backend.RequestMsgWithContext(ctx, stored); err != nil {
		t.Fatalf("publish as a backend, and wait until it is stored: %v", err)
	}
	hears(ctx, t, ann, "task:update", `{"by":"nats"}`)
	hears(ctx, t, bob, "task:update", `{"by":"nats"}`)

	for _, durable := range []bool{true, false} {
		if _, err := ann.Publish(ctx, hub.Publication{Room: "task:42", Event: "note", Data: json.RawMessage(`1`), Durable: durable}); err != nil {
			t.Fatalf("ann publishes, durable %v: %v", durable, err)
		}
		hears(ctx, t, bob, "note", "1")
	}

	if _, err := backend.Subscribe(tree.Call("task:create"), func(m *nats.Msg) { _ = m.Respond([]byte(`{"id":7}`)) }); err != nil {
		t.Fatal(err)
	}
	if err := backend.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	if answer, err := ann.Ask(ctx, "task:create", nil); err != nil || string(answer) != `{"id":7}` {
		t.Errorf("ann asks the backend: %s, %v", answer, err)
	}

	living, err := natsconn.Call[wire.GatewaysAnswer](ctx, backend, tree.Svc(subject.Presence, "gateways"), nil)
	if err != nil || len(living.Gateways) != len(u.gateways) {
		t.Errorf("presence knows %d gateways, %v, want %d", len(living.Gateways), err, len(u.gateways))
	}

	for _, p := range u.running {
		if p.name != "setup" {
			p.end(t, true)
		}
		for _, line := range p.refused() {
			t.Errorf("%s was refused: %s", p.name, line)
		}
	}
}
