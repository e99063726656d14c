package deploy

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/ratelimit"
	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

var update = flag.Bool("update", false, "write what the code prints into the files that are compared with it")

const configHead = `# Configuration

Every program is configured by environment variables of the same names, prints
those that it reads with ` + "`--help`" + `, and refuses to start on a bad value: it names
every fault at once and exits with status 2. A variable that is set to nothing
counts as not set.

This page is printed by the code (` + "`make docs`" + `).
`

// section is the variables of one program, or of all.
type section struct {
	title, about string
	bind         func(*env.Set)
}

func sections() []section {
	return []section{
		{
			"Every program",
			"`HUBMESH_ADMIN_LISTEN` is `:9101` for gateway, `:9102` for presence, `:9103` for\n" +
				"authz and `:9104` for ratelimit, if it is not set.",
			func(set *env.Set) {
				natsconn.Bind(set, &natsconn.Config{})
				subject.Bind(set, new(string))
				obs.Bind(set, &obs.Config{}, "")
			},
		},
		{
			"What makes streams and buckets",
			"`hubmesh setup` and `hubmesh dev`, and a service that finds one missing and whose\nrights allow it to make it.",
			func(set *env.Set) { store.Bind(set, &store.Config{}) },
		},
		{"gateway", "", func(set *env.Set) { gateway.Bind(set, &gateway.Config{}, ":8080") }},
		{"authz", "One of the keys must be set.", func(set *env.Set) { authz.Bind(set, &authz.Config{}) }},
		{"presence", "", func(set *env.Set) { presence.Bind(set, &presence.Config{}) }},
		{"ratelimit", "", func(set *env.Set) { ratelimit.Bind(set, &ratelimit.Config{}) }},
		{
			"hubmesh dev",
			"All of the above for the services in it, but what says otherwise here; and\n" +
				"`HUBMESH_EVENT_MAX_BYTES` is `1GiB`, and there is no admin listener, if not set.",
			func(set *env.Set) { mesh.Bind(set, &mesh.Config{}) },
		},
	}
}

// unset reads as where nothing is set, so that defaults are what is printed.
func unset(string) (string, bool) { return "", false }

// configPage is docs/config.md. A variable that several programs read stands
// where it comes first.
func configPage() string {
	var page strings.Builder
	page.WriteString(configHead)
	seen := make(map[string]bool)
	for _, s := range sections() {
		set := env.New(unset)
		s.bind(set)
		var table, rows strings.Builder
		set.Table(&table)
		for i, row := range strings.SplitAfter(table.String(), "\n") {
			if i < 2 || row == "" || seen[row] { // the first two are the head
				continue
			}
			seen[row] = true
			rows.WriteString(row)
		}
		fmt.Fprintf(&page, "\n## %s\n", s.title)
		if s.about != "" {
			fmt.Fprintf(&page, "\n%s\n", s.about)
		}
		if rows.Len() == 0 {
			page.WriteString("\nNothing more.\n")
			continue
		}
		fmt.Fprintf(&page, "\n| variable | default | meaning |\n|---|---|---|\n%s", rows.String())
	}
	return page.String()
}

func TestPrintedConfigurationSaysWhatTheCodeReads(t *testing.T) {
	path, want := filepath.Join(root, "docs", "config.md"), configPage()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code prints: run make docs", path)
	}
}

func TestComposeSetsOnlyWhatTheProgramsRead(t *testing.T) {
	page := configPage()
	for name, s := range readCompose(t).Services {
		if name == "nats" {
			continue
		}
		for variable := range s.Environment {
			if !strings.Contains(page, "| `"+variable+"` |") {
				t.Errorf("%s sets %s, which no program reads", name, variable)
			}
		}
	}
}

// variableHelp is a variable in what --help prints.
var variableHelp = regexp.MustCompile(`(HUBMESH_[A-Z0-9_]+) \(default: ([^)]*)\)`)

func TestTheConfigurationPageNamesAllThatHelpNames(t *testing.T) {
	page, bin := configPage(), build(t)
	for name, admin := range map[string]string{
		subject.Gateway: ":9101", subject.Presence: ":9102", subject.Authz: ":9103", subject.Ratelimit: ":9104",
	} {
		help, err := exec.CommandContext(t.Context(), filepath.Join(bin, name), "--help").Output()
		if err != nil {
			t.Fatalf("%s --help: %v", name, err)
		}
		found := variableHelp.FindAllSubmatch(help, -1)
		if len(found) == 0 {
			t.Errorf("%s --help names no variable:\n%s", name, help)
		}
		for _, m := range found {
			if !strings.Contains(page, "| `"+string(m[1])+"` |") {
				t.Errorf("%s --help names %s, and docs/config.md does not", name, m[1])
			}
			if string(m[1]) == "HUBMESH_ADMIN_LISTEN" && (string(m[2]) != admin || !strings.Contains(page, "`"+admin+"`")) {
				t.Errorf("%s serves operators on %s, want %s, here and in docs/config.md", name, m[2], admin)
			}
		}
	}
}
