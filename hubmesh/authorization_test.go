package main_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

func TestAnAuthzOfOnesOwnIsAsThePageSays(t *testing.T) {
	text, err := os.ReadFile("../docs/operations/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- run: authz -->\n```js\n(.*?)\n```").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page shows none")
	}
	node, npm := tool(t, "node"), tool(t, "npm")
	h := dev(t, t.TempDir(), "HUBMESH_DEV_WITHOUT=authz")
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), npm, "install", "--no-audit", "--no-fund", "@nats-io/transport-node@3")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	backend(t, dir, "authz.mjs", h.here(string(block[1])), node)
	h.answered(t, `go run ./hubmesh pub task:42 hello '{}' --token "let me in"`, "sent to task:42")
	for name, c := range map[string]struct{ command, want string }{
		"what the service refuses":         {`go run ./hubmesh pub team:blue hello '{}' --token "let me in"`, "forbidden"},
		"a user with fewer rights":         {`go run ./hubmesh pub task:42 hello '{}' --token "let me see"`, "forbidden"},
		"a token that it does not believe": {`go run ./hubmesh pub task:42 hello '{}' --token "anything"`, "we do not know you|unauthorized"},
	} {
		if out, err := h.command(c.command, "--url", h.url); err == nil || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: %v\n%s\nwant %s", name, err, out, c.want)
		}
	}
}
