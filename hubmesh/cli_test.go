package main_test

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natstest"
)

func TestWhatIsSaidInOneTerminalIsHeardInAnother(t *testing.T) {
	h := dev(t, t.TempDir())
	sub := h.hears("task:42")
	for _, c := range []struct {
		args        []string
		said, heard string
	}{
		{
			[]string{"pub", "task:42", "task:update", `{"title": "Ship it"}`, "--durable", "--as", "bob"},
			`^stored in task:42 at offset \d+\n$`, `  task:42  task:update  {"title":"Ship it"}  from bob, offset \d+$`,
		},
		{[]string{"pub", "task:42", "cursor", `[1]`}, `^sent to task:42\n$`, `  task:42  cursor  \[1\]  from ann$`},
	} {
		out, faults, status := h.client(c.args...)
		if status != 0 || !regexp.MustCompile(c.said).MatchString(out) {
			t.Errorf("%v = %d %q %q, want 0 and %s", c.args, status, out, faults, c.said)
		}
		sub.out.until(t, c.heard)
	}
	sub.interrupt()
	if status := sub.wait(); status != 0 {
		t.Errorf("sub after Ctrl-C: status %d, want 0\n%s", status, sub.err)
	}
}

func TestDevDrainsAndEndsWell(t *testing.T) {
	h := dev(t, t.TempDir())
	sub := h.hears("lobby:1")
	h.interrupt()
	if status := h.wait(); status != 0 {
		t.Errorf("dev after Ctrl-C: status %d, want 0\n%s", status, h.err)
	}
	sub.out.until(t, "server:shutdown")
	sub.err.until(t, `^away: .*1012`)
	if strings.Contains(h.err.String(), `"level":"WARN"`) || strings.Contains(h.err.String(), `"level":"ERROR"`) {
		t.Errorf("dev complains of a quiet life:\n%s", h.err)
	}
}

func TestSubComesBackToAGatewayThatComesBack(t *testing.T) {
	h := dev(t, t.TempDir())
	sub := h.hears("lobby:1")
	h.interrupt()
	h.wait()
	again := dev(t, h.dir, "HUBMESH_LISTEN="+strings.TrimPrefix(h.url, "http://"))
	sub.err.until(t, "^connected again")
	sub.err.until(t, "^hearing lobby:1")
	if _, faults, status := again.client("pub", "lobby:1", "hello", "1"); status != 0 {
		t.Errorf("pub: %d %s", status, faults)
	}
	sub.out.until(t, `  lobby:1  hello  1  from ann$`)
}

func TestASecondDevOnTheMachineTakesTheNextPorts(t *testing.T) {
	first, second := devAt(t, t.TempDir()), devAt(t, t.TempDir())
	if first.url == second.url || first.nats == second.nats {
		t.Errorf("both are at %s and %s", second.url, second.nats)
	}
	for _, variable := range []string{"HUBMESH_DEV_NATS_LISTEN", "HUBMESH_LISTEN"} { // as they are started
		second.err.until(t, "somebody else is on the default port.*"+variable)
	}
	second.out.until(t, " pub task:42 .* --url "+second.url)
}

// The banner's commands are for a shell, in another terminal in the same
// folder.
func TestTheCommandsOfTheBannerWorkAsTheyStand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("they are for a shell of POSIX")
	}
	homes := map[string][]string{
		"with a secret of its own":      nil,
		"with a secret that was set":    {"HUBMESH_JWT_SECRET=a secret that is long enough for HS256", "HUBMESH_JWT_ISSUER=us"},
		"with its data somewhere else":  {"HUBMESH_DATA_DIR=" + filepath.Join(t.TempDir(), "a b")},
		"with another first token, too": {"HUBMESH_PREFIX=acme"},
	}
	for name, env := range homes {
		t.Run(name, func(t *testing.T) {
			h := dev(t, t.TempDir(), env...)
			h.out.until(t, "Hear a room")
			sub := h.out.until(t, `^ +(.* sub task:42.*)$`)[1]
			pub := h.out.until(t, `^ +(.* pub task:42.*)$`)[1]
			out, err := exec.CommandContext(t.Context(), "sh", "-c", "cd "+h.dir+" && "+pub).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "stored in task:42 at offset") {
				t.Errorf("%s: %v\n%s", pub, err, out)
			}
			shell := exec.CommandContext(t.Context(), "sh", "-c", "cd "+h.dir+" && exec "+strings.Replace(sub, " sub ", " sub -n 1 ", 1))
			if strings.HasPrefix(sub, "HUBMESH_DATA_DIR=") { // exec takes no assignment
				shell.Args[2] = strings.Replace(shell.Args[2], "exec HUBMESH", "HUBMESH", 1)
			}
			heard, notes := newTranscript(), newTranscript()
			shell.Stdout, shell.Stderr = heard, notes
			if err := shell.Start(); err != nil {
				t.Fatal(err)
			}
			notes.until(t, "^hearing task:42")
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", "cd "+h.dir+" && "+pub).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", pub, err, out)
			}
			heard.until(t, `task:42  task:update  {"title":"Ship it"}  from bob`)
			if err := shell.Wait(); err != nil {
				t.Errorf("%s: %v\n%s", sub, err, notes)
			}
		})
	}
}

func TestSubPrintsFramesAsTheyCame(t *testing.T) {
	h := dev(t, t.TempDir())
	sub := h.hears("lobby:1", "--json", "-n", "1")
	if _, faults, status := h.client("pub", "lobby:1", "hello", `{"a":1}`); status != 0 {
		t.Fatalf("pub: %d %s", status, faults)
	}
	if status := sub.wait(); status != 0 {
		t.Errorf("sub -n 1: status %d\n%s", status, sub.err)
	}
	var frame struct {
		Event, Room string
		Data        json.RawMessage
	}
	if err := json.Unmarshal([]byte(sub.out.String()), &frame); err != nil || frame.Event != "hello" || frame.Room != "lobby:1" || string(frame.Data) != `{"a":1}` {
		t.Errorf("sub --json = %s (%v)", sub.out, err)
	}
}

func TestACallIsAnsweredByABackend(t *testing.T) {
	h := dev(t, t.TempDir())
	if _, faults, status := h.client("call", "task:create"); status != 1 || !strings.Contains(faults, "no_handler") {
		t.Errorf("without a backend: %d %q, want 1 and no_handler", status, faults)
	}
	nc, err := nats.Connect(h.nats)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Subscribe("hub.call.task.create", func(m *nats.Msg) {
		if err := m.Respond([]byte(`{"by":"` + m.Header.Get("Hub-User") + `","got":` + string(m.Data) + `}`)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	out, faults, status := h.client("call", "task:create", `{"title":"x"}`, "--as", "bob")
	if want := `{"by":"bob","got":{"title":"x"}}` + "\n"; status != 0 || out != want {
		t.Errorf("call = %d %q %q, want 0 and %q", status, out, faults, want)
	}
}

func TestFaultsAreToldInPlainWords(t *testing.T) {
	h := dev(t, t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nothing is lost
	nobody := taken.Addr().String()
	listening := []string{"HUBMESH_LISTEN=127.0.0.1:0", "HUBMESH_DEV_NATS_LISTEN=127.0.0.1:0"}
	tests := map[string]struct {
		env    []string
		args   []string
		status int
		says   []string
	}{
		"the folder is in use":           {listening, []string{"dev"}, 2, []string{".hubmesh is in use by another hubmesh (process ", "HUBMESH_DATA_DIR"}},
		"a port that was set is taken":   {[]string{"HUBMESH_LISTEN=" + nobody, "HUBMESH_DEV_NATS_LISTEN=127.0.0.1:0", "HUBMESH_DATA_DIR=" + t.TempDir()}, nil, 1, []string{"HUBMESH_LISTEN", "address already in use"}},
		"all faults of variables":        {[]string{"HUBMESH_LOG=loud", "HUBMESH_MAX_CONNECTIONS=0", "HUBMESH_DEV_WITHOUT=gateway"}, nil, 2, []string{"HUBMESH_LOG", "HUBMESH_MAX_CONNECTIONS", "HUBMESH_DEV_WITHOUT"}},
		"a command that is none":         {nil, []string{"frob"}, 2, []string{"frob", "hubmesh --help"}},
		"a flag that is missing":         {nil, []string{"token"}, 2, []string{"--sub"}},
		"a room that is none":            {nil, []string{"sub", "42"}, 2, []string{`"42" is no room: want type:id`}},
		"a subject of what is no room":   {nil, []string{"subject", "Task:1"}, 2, []string{"is no room"}},
		"an event that is none":          {nil, []string{"pub", "task:1", "a::b", "1"}, 2, []string{"is no event"}},
		"data that is no JSON":           {nil, []string{"pub", "task:1", "e", "{title:1}"}, 2, []string{"is no JSON", "single quotes"}},
		"a claim without a value":        {nil, []string{"token", "--sub", "ann", "--claim", "teams"}, 2, []string{"want name=value"}},
		"a room of somebody else":        {nil, []string{"sub", "user:bob", "--url", h.url}, 1, []string{"not let into user:bob: forbidden", "not let into any"}},
		"a token that is none":           {nil, []string{"sub", "task:1", "--url", h.url, "--token", "x"}, 1, []string{"refuses us: unauthorized"}},
		"a token of another secret":      {[]string{"HUBMESH_JWT_SECRET=another secret that is long enough, too"}, []string{"sub", "task:1", "--url", h.url}, 1, []string{"does not take our token", "HUBMESH_JWT_SECRET"}},
		"no gateway there":               {nil, []string{"sub", "task:1", "--url", "http://127.0.0.1:1"}, 1, []string{"no gateway at 127.0.0.1:1: start one with `hubmesh dev`"}},
		"no secret there":                {[]string{"HUBMESH_DATA_DIR=" + t.TempDir()}, []string{"pub", "task:1", "e", "1"}, 1, []string{"no token", "--token"}},
		"no secret to make a token with": {[]string{"HUBMESH_DATA_DIR=" + t.TempDir()}, []string{"token", "--sub", "ann"}, 1, []string{"no secret to sign with"}},
		"what is no gateway":             {nil, []string{"sub", "task:1", "--url", h.url + "/nowhere"}, 1, []string{"is no gateway of hubmesh"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			out, faults, status := run(t, h.dir, c.env, c.args...)
			if status != c.status || out != "" {
				t.Errorf("%v = %d, %q; want %d and nothing\n%s", c.args, status, out, c.status, faults)
			}
			for _, want := range c.says {
				if !strings.Contains(faults, want) {
					t.Errorf("%v says\n%s\nwant %q in it", c.args, faults, want)
				}
			}
			if strings.Contains(faults, "panic") || strings.Contains(faults, "another secret that") {
				t.Errorf("%v says\n%s", c.args, faults)
			}
		})
	}
}

func TestEveryCommandHelps(t *testing.T) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{nil, []string{"sub", "pub", "call", "subject", "token", "setup", "HUBMESH_LISTEN (default: 127.0.0.1:8080)", "HUBMESH_EVENT_MAX_BYTES (default: 1GiB)", "HUBMESH_NATS_URL (default: none)"}},
		{[]string{"dev"}, []string{"HUBMESH_DEV_NATS_LISTEN (default: 127.0.0.1:4222)", "HUBMESH_DEV_WITHOUT", "HUBMESH_ADMIN_LISTEN (default: none)"}},
		{[]string{"sub"}, []string{"--json", "HUBMESH_JWT_SECRET"}},
		{[]string{"pub"}, []string{"--durable", "HUBMESH_DATA_DIR (default: .hubmesh)"}},
		{[]string{"call"}, []string{"--as"}},
		{[]string{"subject"}, []string{"HUBMESH_PREFIX (default: hub)"}},
		{[]string{"token"}, []string{"--claim", "--ttl"}},
		{[]string{"relation"}, []string{"relation add", "relation rm", "relation ls"}},
		{[]string{"policy"}, []string{"policy check", "policy apply", "policy show"}},
		{[]string{"policy", "apply"}, []string{"--prune", "HUBMESH_NATS_URL"}},
		{[]string{"why"}, []string{"--claim", "HUBMESH_NATS_URL"}},
		{[]string{"relation", "add"}, []string{"member or parent", "HUBMESH_NATS_URL (default: nats://127.0.0.1:4222)"}},
		{[]string{"setup"}, []string{"--new-epoch", "HUBMESH_NATS_URL (default: nats://127.0.0.1:4222)", "HUBMESH_EVENT_MAX_BYTES (default: 10GiB)"}},
	} {
		out, faults, status := run(t, t.TempDir(), nil, append(c.args, "--help")...)
		if status != 0 || faults != "" {
			t.Errorf("%v --help = %d, %s", c.args, status, faults)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%v --help lacks %q:\n%s", c.args, want, out)
			}
		}
		if c.args != nil && (c.args[0] == "relation" || c.args[0] == "policy") && len(c.args) == 1 && strings.Contains(out, "HUBMESH_") {
			t.Errorf("%v --help tells of variables that a group does not read:\n%s", c.args, out)
		}
		for _, once := range []string{"HUBMESH_PREFIX (", "HUBMESH_NATS_URL (", "HUBMESH_LISTEN ("} {
			if strings.Count(out, once) > 1 {
				t.Errorf("%v --help names %s twice", c.args, once)
			}
		}
	}
}

func TestSubjectPrintsWhereBackendsPublish(t *testing.T) {
	out, _, status := run(t, t.TempDir(), []string{"HUBMESH_PREFIX=acme"}, "subject", "task:a@b")
	if status != 0 || !strings.Contains(out, "acme.event.task.a=40b ") || !strings.Contains(out, "acme.live.task.a=40b ") {
		t.Errorf("subject = %d, %s", status, out)
	}
}

func TestATokenHoldsWhatWasAskedFor(t *testing.T) {
	env := []string{"HUBMESH_JWT_SECRET=a secret that is long enough for HS256", "HUBMESH_JWT_ISSUER=us", "HUBMESH_JWT_AUDIENCE=them"}
	out, faults, status := run(t, t.TempDir(), env, "token", "--sub", "ann", "--ttl", "2h",
		"--claim", "teams=red,blue", "--claim", "projects=7", "--claim", "readonly=true", "--claim", `info={"name":"Ann, of course"}`)
	parts := strings.Split(strings.TrimSpace(out), ".")
	if status != 0 || len(parts) != 3 {
		t.Fatalf("token = %d, %q %s", status, out, faults)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Sub, Iss, Aud, Projects string
		Teams                   []string
		Readonly                bool
		Info                    struct{ Name string }
		Iat, Exp                float64
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("claims %s: %v", body, err)
	}
	if got.Sub != "ann" || got.Iss != "us" || got.Aud != "them" || got.Projects != "7" || strings.Join(got.Teams, " ") != "red blue" ||
		!got.Readonly || got.Info.Name != "Ann, of course" || got.Exp-got.Iat < 7200 || got.Exp-got.Iat >= 7201 {
		t.Errorf("claims = %s", body)
	}
}

func TestSetupMakesWhatServicesNeedAndGivesANewEpoch(t *testing.T) {
	s := natstest.Server(t, func(o *server.Options) { o.DontListen = false })
	env := []string{"HUBMESH_NATS_URL=" + s.ClientURL(), "HUBMESH_EVENT_MAX_BYTES=1MiB", "HUBMESH_PREFIX=acme"}
	for _, args := range [][]string{{"setup"}, {"setup"}, {"setup", "--new-epoch"}} {
		out, faults, status := run(t, t.TempDir(), env, args...)
		if status != 0 || !strings.Contains(out, "below acme are there") || strings.Contains(out, "ACME_EVENTS has a new epoch") != (len(args) > 1) {
			t.Errorf("%v = %d, %s%s", args, status, out, faults)
		}
	}
	nc := natstest.Conn(t, s)
	for _, stream := range []string{"ACME_EVENTS", "KV_ACME_GATEWAYS", "KV_ACME_QUOTA"} {
		info, err := nc.Request("$JS.API.STREAM.INFO."+stream, nil, patience)
		if err != nil || !strings.Contains(string(info.Data), stream) {
			t.Errorf("%s after setup: %v, %v", stream, info, err)
		}
	}
}

func TestDevOnAnotherNATSShowsNoLogin(t *testing.T) {
	s := natstest.Server(t, func(o *server.Options) { o.DontListen = false })
	host := strings.TrimPrefix(s.ClientURL(), "nats://")
	h := dev(t, t.TempDir(), "HUBMESH_NATS_URL=nats://ann:hunter2@"+host, "HUBMESH_EVENT_MAX_BYTES=1MiB")
	if want := "nats://" + host; h.nats != want {
		t.Errorf("NATS is said to be at %s, want %s", h.nats, want)
	}
	if out, faults, status := h.client("pub", "lobby:1", "hello", "1", "--durable"); status != 0 {
		t.Errorf("pub = %d, %s%s", status, out, faults)
	}
	h.interrupt()
	if status := h.wait(); status != 0 {
		t.Errorf("dev after Ctrl-C: status %d, want 0", status)
	}
	if said := h.out.String() + h.err.String(); strings.Contains(said, "hunter2") {
		t.Errorf("dev shows the password:\n%s", said)
	}
}

func TestDevKeepsItsSecretToItself(t *testing.T) {
	h := dev(t, t.TempDir())
	if runtime.GOOS == "windows" {
		t.Skip("modes are of POSIX")
	}
	for name, want := range map[string]os.FileMode{".hubmesh": 0o700, ".hubmesh/jwt-secret": 0o600} {
		info, err := os.Stat(filepath.Join(h.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode of %s = %o, want %o", name, got, want)
		}
	}
	secret, err := os.ReadFile(filepath.Join(h.dir, ".hubmesh", "jwt-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if said := h.out.String() + h.err.String(); strings.Contains(said, strings.TrimSpace(string(secret))) {
		t.Error("dev prints its secret")
	}
}

func TestRelationsAreWrittenListedAndTakenBack(t *testing.T) {
	h := dev(t, t.TempDir())
	nats := []string{"HUBMESH_NATS_URL=" + h.nats}
	for _, c := range []struct {
		args        string
		out, faults string
		status      int
	}{
		{"relation add team:red member ann", "added team:red member ann\n", "", 0},
		{"relation add project:7 parent team:red", "added project:7 parent team:red\n", "", 0},
		{"relation ls", strings.Join([]string{"project:7 parent team:red", "team:red member ann", ""}, "\n"), "", 0},
		{"relation ls team:red", "team:red member ann\n", "", 0},
		{"relation rm team:red member ann", "removed team:red member ann\n", "", 0},
		{"relation rm team:red member ann", "", "there is no team:red member ann", 1},
		{"relation ls", "project:7 parent team:red\n", "", 0},
		{"relation add project:7 parent project:7", "", "no room is its own parent", 2},
		{"relation add project:7 owner ann", "", `must be one of "member","parent"`, 2},
		{"relation add red member ann", "", "type:id", 2},
	} {
		out, faults, status := run(t, h.dir, nats, strings.Fields(c.args)...)
		if out != c.out || status != c.status || !strings.Contains(faults, c.faults) || c.faults == "" && faults != "" {
			t.Errorf("%s = %d %q %q, want %d %q %q", c.args, status, out, faults, c.status, c.out, c.faults)
		}
	}
}

func TestAPolicyFileIsCheckedAppliedAndShown(t *testing.T) {
	h := dev(t, t.TempDir())
	nats := []string{"HUBMESH_NATS_URL=" + h.nats}
	for name, text := range map[string]string{
		"good.yaml": "task:\n  join: member(room)\n  publish: |\n    member(room) &&\n      user != \"eve\"\nlobby: { join: \"true\" }\n",
		"bad.yaml":  "task:\n  join: membr(room)\n",
		"less.yaml": "lobby: { join: \"false\" }\n",
	} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := "lobby:\n  {join: \"true\"}\ntask:\n  join: member(room)\n  publish: |\n      member(room) &&\n        user != \"eve\"\n"
	for _, c := range []struct {
		args        string
		out, faults string
		status      int
	}{
		{"policy check good.yaml", "good.yaml is good: rules for lobby, task\n", "", 0},
		{"policy check bad.yaml", "", "bad.yaml:2: task.join: undeclared reference to 'membr'", 1},
		{"policy check none.yaml", "", "none.yaml: no such file", 2},
		{"policy apply bad.yaml", "", "bad.yaml:2: task.join: undeclared reference to 'membr'", 1},
		{"policy apply good.yaml", "applied: lobby, task\n", "", 0},
		{"policy show", shown, "", 0},
		{"policy apply less.yaml", "applied: lobby\nleft as they are: task (--prune takes them out)\n", "", 0},
		{"policy apply --prune less.yaml", "applied: lobby\ntaken out: task\n", "", 0},
		{"policy show", "lobby:\n  {join: \"false\"}\n", "", 0},
	} {
		out, faults, status := run(t, h.dir, nats, strings.Fields(c.args)...)
		out = strings.ReplaceAll(out, h.dir+string(filepath.Separator), "")
		if out != c.out || status != c.status || !strings.Contains(faults, c.faults) || c.faults == "" && faults != "" {
			t.Errorf("%s = %d %q %q, want %d %q %q", c.args, status, out, faults, c.status, c.out, c.faults)
		}
	}
}

func TestWhySaysWhichRuleClaimOrRelationsDecided(t *testing.T) {
	h := dev(t, t.TempDir())
	nats := []string{"HUBMESH_NATS_URL=" + h.nats}
	rules := "task:\n  join: member(room)\n  publish: member(room) && !(\"readonly\" in claims)\n"
	if err := os.WriteFile(filepath.Join(h.dir, "p.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"relation add team:red member ann", "relation add task:1 parent team:red", "policy apply p.yaml"} {
		if _, faults, status := run(t, h.dir, nats, strings.Fields(args)...); status != 0 {
			t.Fatalf("%s = %d %s", args, status, faults)
		}
	}
	const member = "    rule       HUB_POLICY task.join: member(room)\n    relations  task.1.parent.team.red, team.red.member.user.ann\n"
	for args, want := range map[string]string{
		"why ann task:1 --claim readonly=true": "ann in task:1\n  may subscribe, signal, presence, history\n" + member +
			"  may not publish\n    rule       HUB_POLICY task.publish: member(room) && !(\"readonly\" in claims)\n" +
			"    relations  task.1.parent.team.red, team.red.member.user.ann\n    claims     readonly\n",
		"why bob project:7 --claim projects=7": "bob in project:7\n  may subscribe, signal, publish, presence, history\n    rule       built-in: ",
		"why eve safe:1":                       "eve in safe:1\n  may not subscribe, signal, publish, presence, history\n    rule       built-in: ",
	} {
		out, faults, status := run(t, h.dir, nats, strings.Fields(args)...)
		for deadline := time.Now().Add(30 * time.Second); !strings.HasPrefix(out, want) && time.Now().Before(deadline); {
			out, faults, status = run(t, h.dir, nats, strings.Fields(args)...) // authz hears of what was written a little later
		}
		if status != 0 || faults != "" || !strings.HasPrefix(out, want) {
			t.Errorf("%s = %d %q\n%s\nwant\n%s", args, status, faults, out, want)
		}
	}
}
