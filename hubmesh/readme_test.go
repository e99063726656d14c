package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// readme is the blocks of README.md that are run, by the name in the comment
// above each.
func readme(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- run: ([a-z-]+) -->\n```[a-z]+\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]] = m[2]
	}
	return blocks
}

// here puts a house's addresses into a block, in place of the default ones.
func (h home) here(block string) string {
	return strings.NewReplacer(
		"ws://127.0.0.1:8080", strings.Replace(h.url, "http", "ws", 1),
		"nats://127.0.0.1:4222", h.nats,
		`("127.0.0.1", 4222)`, `("127.0.0.1", `+h.nats[strings.LastIndexByte(h.nats, ':')+1:]+`)`,
		"127.0.0.1:4222", strings.TrimPrefix(h.nats, "nats://"),
	).Replace(block)
}

// command runs a block that is a command of hubmesh, in a shell as one would.
func (h home) command(block string, more ...string) (out string, err error) {
	line := strings.Replace(block, "go run ./hubmesh", binary, 1) + " " + strings.Join(more, " ")
	cmd := exec.CommandContext(h.t.Context(), "sh", "-c", line)
	cmd.Dir = h.dir
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// answered runs a command until it answers as wanted: a backend that was just
// started tells nobody when it listens.
func (h home) answered(t *testing.T, block, want string) {
	t.Helper()
	var out string
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if out, err = h.command(block, "--url", h.url); err == nil {
			if got := strings.TrimSpace(out); got != want {
				t.Errorf("%s\nanswers %s, want %s", block, got, want)
			}
			return
		}
	}
	t.Fatalf("%s\nis not answered: %v\n%s", block, err, out)
}

// tool finds a program that a block needs. Without it the test says so; where
// all must run, it fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is needed to run what README shows", name)
	}
	if err != nil {
		t.Skipf("what README shows for %s is NOT run: there is none here", name)
	}
	return path
}

// backend writes a block to a file and runs it until the test ends.
func backend(t *testing.T, dir, file, text string, run ...string) {
	t.Helper()
	path := filepath.Join(dir, file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(run[0], append(run[1:], path)...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
}

func TestWhatREADMEShowsWorks(t *testing.T) {
	blocks := readme(t)
	h := dev(t, t.TempDir(), "HUBMESH_ALLOWED_ORIGINS=*")
	if blocks["dev"] != "go run ./hubmesh" {
		t.Errorf("the first command is %q", blocks["dev"])
	}
	sub := start(t, h.dir, nil, append(strings.Fields(blocks["sub"])[3:], "--url", h.url)...)
	sub.err.until(t, "^hearing task:42 from")
	h.answered(t, blocks["pub"], "stored in task:42 at offset 1")
	sub.out.until(t, `task:42  task:update  {"title":"Ship it"}  from bob, offset 1$`)

	t.Run("go", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "main.go")
		if err := os.WriteFile(file, []byte(h.here(blocks["go"])), 0o600); err != nil {
			t.Fatal(err)
		}
		built := filepath.Join(dir, "backend")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", built, file).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		backend(t, dir, "unused", "", built)
		h.answered(t, blocks["call-create"], `{"id":"43"}`)
	})
	t.Run("node", func(t *testing.T) {
		node, npm := tool(t, "node"), tool(t, "npm")
		dir := t.TempDir()
		install := exec.CommandContext(t.Context(), npm, "install", "--no-audit", "--no-fund", "@nats-io/transport-node@3")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		backend(t, dir, "backend.mjs", h.here(blocks["node"]), node)
		h.answered(t, blocks["call-rename"], `{}`)
		sub.out.until(t, `task:42  task:update  {"title":"Shipped"}  from ann, offset 2$`)
	})
	t.Run("python", func(t *testing.T) {
		backend(t, t.TempDir(), "backend.py", h.here(blocks["python"]), tool(t, "python3"))
		h.answered(t, blocks["call-count"], `{"project": "7", "count": 7}`)
	})
	t.Run("token", func(t *testing.T) {
		token, err := h.command(blocks["token"])
		if err != nil {
			t.Fatalf("%v\n%s", err, token)
		}
		for room, want := range map[string]string{"task:43": "^sent to task:43", "task:44": "forbidden"} {
			if out, _ := h.command("go run ./hubmesh pub "+room+" hello 1", "--url", h.url, "--token", strings.TrimSpace(token)); !regexp.MustCompile(want).MatchString(out) {
				t.Errorf("carol in %s: %s, want %s", room, out, want)
			}
		}
	})
	t.Run("page", func(t *testing.T) { page(t, h, blocks["page"]) })
}

// page runs the page's script with so much of a browser as it uses.
func page(t *testing.T, h home, block string) {
	node := tool(t, "node")
	token, err := h.command("go run ./hubmesh token --sub ann --claim rooms='task:*'")
	if err != nil {
		t.Fatalf("%v\n%s", err, token)
	}
	_, script, _ := strings.Cut(block, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	browser := `globalThis.document = { createElement: () => ({}), querySelector: () => ({ append: (li) => { console.log(li.textContent); process.exit(0); } }) };`
	file := filepath.Join(t.TempDir(), "page.mjs")
	text := browser + strings.Replace(h.here(script), "TOKEN", strings.TrimSpace(token), 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), node, "--experimental-websocket", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Ship") {
		t.Errorf("the page shows %s, %v, want the title", out, err)
	}
}
