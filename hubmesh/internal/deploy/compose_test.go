package deploy

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	// A reader of YAML, since compose files lean on anchors and merge keys.
	"go.yaml.in/yaml/v3"

	"github.com/hubmesh/hubmesh/shared/subject"
)

const root = "../../.."

// composeFile is what is read of docker-compose.yml. A field that is not here
// is refused nowhere: compose knows more than these tests do.
type composeFile struct {
	Services map[string]service `yaml:"services"`
}

type service struct {
	Image       string               `yaml:"image"`
	Command     []string             `yaml:"command"`
	Environment map[string]string    `yaml:"environment"`
	Volumes     []string             `yaml:"volumes"`
	Ports       []string             `yaml:"ports"`
	DependsOn   map[string]condition `yaml:"depends_on"`
}

type condition struct {
	Condition string `yaml:"condition"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// variable is a reference as compose has it: ${NAME:?why} must be set to
// something, ${NAME:-default} need not be.
var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+):([?-])([^}]*)\}`)

// interpolate does as compose does with one value.
func interpolate(text string, lookup map[string]string) (string, error) {
	var missing error
	done := variable.ReplaceAllStringFunc(text, func(ref string) string {
		m := variable.FindStringSubmatch(ref)
		name, kind, rest := m[1], m[2], m[3]
		value := lookup[name]
		switch {
		case value != "":
			return value
		case kind == "?":
			missing = fmt.Errorf("%s is not set: %s", name, rest)
		}
		return rest
	})
	if missing == nil && strings.Contains(variable.ReplaceAllString(text, ""), "$") {
		missing = fmt.Errorf("%s: a reference that this test does not know", text)
	}
	return done, missing
}

// example is the variables of .env.example, with what they are set to there.
func example(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	vars := make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok && !strings.HasPrefix(name, "#") {
			vars[name] = value
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return vars
}

func TestComposeHasNoSecretOfItsOwn(t *testing.T) {
	asked := make(map[string]bool)
	for name, s := range readCompose(t).Services {
		for key, value := range s.Environment {
			for _, ref := range variable.FindAllStringSubmatch(value, -1) {
				asked[ref[1]] = true
			}
			if !strings.HasSuffix(key, "_PASSWORD") && !strings.HasSuffix(key, "_SECRET") {
				continue
			}
			if _, err := interpolate(value, nil); err == nil {
				t.Errorf("%s: %s is %q, want it refused while nobody has set it", name, key, value)
			}
		}
	}
	told := example(t)
	for name := range asked {
		if value, ok := told[name]; !ok || value != "" {
			t.Errorf(".env.example sets %s to %q (%v), want it named there, and set to nothing", name, value, ok)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf(".env.example names %s, which docker-compose.yml does not ask for", name)
	}
}

func TestComposeGivesEachServiceItsOwnUser(t *testing.T) {
	file := readCompose(t)
	for name, s := range file.Services {
		if name == "nats" {
			continue
		}
		user := s.Command[0]
		if user == "hubmesh" {
			user = subject.Admin // setup
		}
		if got := s.Environment["HUBMESH_NATS_USER"]; got != user {
			t.Errorf("%s logs in as %q, want %q", name, got, user)
		}
		password := "${" + subject.PasswordVariable(user) + ":?set it in .env}"
		if got := s.Environment["HUBMESH_NATS_PASSWORD"]; got != password {
			t.Errorf("%s has the password %q, want %q", name, got, password)
		}
		after, want := "setup", "service_completed_successfully"
		if user == subject.Admin {
			after, want = "nats", "service_healthy"
		}
		if got := s.DependsOn[after].Condition; got != want {
			t.Errorf("%s starts when %s is %q, want %q", name, after, got, want)
		}
	}
	for _, p := range (subject.Tree{}).Users() {
		name := subject.PasswordVariable(p.User)
		if got, want := file.Services["nats"].Environment[name], "${"+name+":?set it in .env}"; got != want {
			t.Errorf("the NATS server has %s = %q, want %q", name, got, want)
		}
	}
}

func TestComposeRunsTheNATSServerThatTheTestsRunOn(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "hubmesh", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	tested := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)\.`).FindSubmatch(mod)
	if tested == nil {
		t.Fatal("hubmesh/go.mod does not require nats-server")
	}
	nats := readCompose(t).Services["nats"]
	if want := "nats:" + string(tested[1]) + "-alpine"; nats.Image != want {
		t.Errorf("compose runs %s, want %s", nats.Image, want)
	}
	if !slices.Contains(nats.Volumes, "./nats.conf:/etc/nats/nats.conf:ro") || !slices.Contains(nats.Volumes, "nats:/data") ||
		!slices.Equal(nats.Command, []string{"--config", "/etc/nats/nats.conf"}) {
		t.Errorf("the NATS server runs %v with %v, want it on nats.conf, with /data on a volume", nats.Command, nats.Volumes)
	}
}

// built reads what the Dockerfile builds: folders, by the names of their
// programs in the image.
func built(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	_, args, ok := strings.Cut(joined, "-o /out/")
	if !ok {
		t.Fatal("the Dockerfile builds nothing into /out/")
	}
	args, _, _ = strings.Cut(args, "\n")
	programs := make(map[string]string)
	for _, folder := range strings.Fields(args) {
		programs[filepath.Base(folder)] = folder
	}
	return programs
}

// build builds what the Dockerfile builds. It leaves out the flags that make
// files smaller: they would compile every library a second time.
func build(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	folders := slices.Sorted(maps.Values(built(t)))
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", bin}, folders...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

func TestTheImageHoldsEveryProgram(t *testing.T) {
	programs := built(t)
	for name, s := range readCompose(t).Services {
		if name != "nats" && programs[s.Command[0]] == "" {
			t.Errorf("%s runs %s, which the Dockerfile does not build", name, s.Command[0])
		}
	}
	for _, pattern := range []string{"cmd/*/main.go", "main.go"} {
		mains, err := filepath.Glob(filepath.Join(root, "*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range mains {
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			if got := programs[filepath.Base(folder)]; got != "./"+filepath.ToSlash(folder) {
				t.Errorf("the Dockerfile builds %q for %s, want ./%s", got, filepath.Base(folder), folder)
			}
		}
	}
}
