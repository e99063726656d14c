package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goVersion is what every module asks for, so that all build with one Go.
const goVersion = "1.26.0"

type module struct{ Path, Version string }

// goMod is what "go mod edit -json" and "go work edit -json" print.
type goMod struct {
	Module    module
	Go        string
	Toolchain string
	Require   []module
	Replace   []struct{ Old, New module }
	Use       []struct{ DiskPath string }
}

func edit(t *testing.T, file string) goMod {
	t.Helper()
	kind := "mod"
	if filepath.Base(file) == "go.work" {
		kind = "work"
	}
	cmd := exec.CommandContext(t.Context(), "go", kind, "edit", "-json", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s edit -json %s: %v", kind, file, err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	return mod
}

func TestEveryModuleIsInTheWorkspaceAndInTheTable(t *testing.T) {
	work := edit(t, filepath.Join("..", "go.work"))
	if work.Go != goVersion {
		t.Errorf("go.work is at go %s, want %s", work.Go, goVersion)
	}
	var used []string
	for _, use := range work.Use {
		used = append(used, strings.TrimPrefix(use.DiskPath, "./"))
	}
	slices.Sort(used)
	if !slices.Equal(used, modules()) {
		t.Errorf("go.work uses %v, want %v", used, modules())
	}
	files, err := filepath.Glob(filepath.Join("..", "*", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		found = append(found, filepath.Base(filepath.Dir(file)))
	}
	if !slices.Equal(found, modules()) {
		t.Errorf("modules on the disk: %v, want %v", found, modules())
	}
	if _, err := os.Stat(filepath.Join("..", "go.mod")); err == nil {
		t.Error("there is a go.mod at the root: go test work would leave out what it holds")
	}
}

// A module that builds only in the workspace would not build for one who takes
// that module alone.
func TestEveryModuleStandsAlone(t *testing.T) {
	for _, name := range modules() {
		t.Run(name, func(t *testing.T) {
			mod := edit(t, filepath.Join("..", name, "go.mod"))
			if mod.Module.Path != modulePrefix+name || mod.Go != goVersion || mod.Toolchain != "" {
				t.Errorf("module %s, go %s, toolchain %q; want %s, go %s and no toolchain",
					mod.Module.Path, mod.Go, mod.Toolchain, modulePrefix+name, goVersion)
			}
			var siblings, replaced []string
			for _, r := range mod.Require {
				if sibling, ok := strings.CutPrefix(r.Path, modulePrefix); ok {
					siblings = append(siblings, sibling)
				}
			}
			for _, r := range mod.Replace {
				sibling := strings.TrimPrefix(r.Old.Path, modulePrefix)
				if r.New.Path != "../"+sibling || r.Old.Version != "" {
					t.Errorf("replace %s => %s: only a sibling is replaced, by its folder", r.Old.Path, r.New.Path)
				}
				replaced = append(replaced, sibling)
			}
			slices.Sort(siblings)
			slices.Sort(replaced)
			if !slices.Equal(siblings, replaced) {
				t.Errorf("requires the siblings %v, replaces %v; want one replace line a sibling", siblings, replaced)
			}
		})
	}
}
