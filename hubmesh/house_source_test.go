package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePrefix = "github.com/hubmesh/hubmesh/"

// modules is every module of go.work, by folder.
func modules() []string {
	return []string{"authz", "gateway", "hubmesh", "presence", "ratelimit", "shared"}
}

// impure is what a package of the standard library brings that is no value:
// waiting, locking, logging, chance, the machine.
var impure = []string{
	"context", "crypto/rand", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http",
	"os", "os/exec", "os/signal", "runtime", "sync", "sync/atomic", "syscall",
}

// clock is what looks at the time or waits for it.
var clock = []string{"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"}

// sources is what the files of one folder import, each with a file that does,
// and what they do that a pure package must not.
type sources struct {
	house, libs, std map[string]string // outside tests
	testLibs         map[string]string
	impure           []string
}

// readHouse reads every Go file of every module as it stands on the disk, for
// all systems and build tags alike.
func readHouse(t *testing.T) map[string]sources {
	t.Helper()
	house := make(map[string]sources)
	for _, module := range modules() {
		err := filepath.WalkDir(filepath.Join("..", module), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := d.Name()
			if d.IsDir() && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".hubmesh")) {
				return filepath.SkipDir
			}
			if d.IsDir() || filepath.Ext(name) != ".go" {
				return nil
			}
			dir := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, ".."+string(filepath.Separator))))
			p, ok := house[dir]
			if !ok {
				p = sources{house: map[string]string{}, libs: map[string]string{}, std: map[string]string{}, testLibs: map[string]string{}}
			}
			if err := p.read(path); err != nil {
				return err
			}
			house[dir] = p
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return house
}

// read adds one file.
func (p *sources) read(path string) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(path, "_test.go")
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(imported, "/")
		inHouse, ours := strings.CutPrefix(imported, modulePrefix)
		library := strings.Contains(first, ".")
		switch {
		case test && library && !ours:
			p.testLibs[imported] = path
		case test:
		case ours:
			p.house[inHouse] = path
		case library:
			p.libs[imported] = path
		default:
			p.std[imported] = path
		}
	}
	if !test {
		p.impure = append(p.impure, impureIn(fset, file)...)
	}
	return nil
}

// timeNames is what the file calls the package time: "." when its names stand
// alone, and nothing when it is not imported.
func timeNames(file *ast.File) (names []string) {
	for _, spec := range file.Imports {
		switch {
		case spec.Path.Value != `"time"`:
		case spec.Name == nil:
			names = append(names, "time")
		default:
			names = append(names, spec.Name.Name)
		}
	}
	return names
}

// impureIn finds the clock and the go statement.
func impureIn(fset *token.FileSet, file *ast.File) (found []string) {
	names := timeNames(file)
	if slices.Contains(names, ".") {
		found = append(found, "hides what it takes from time behind a dot import in "+fset.Position(file.Pos()).Filename)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "starts a goroutine at "+fset.Position(n.Pos()).String())
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(names, x.Name) && slices.Contains(clock, n.Sel.Name) {
				found = append(found, "uses time."+n.Sel.Name+" at "+fset.Position(n.Pos()).String())
			}
		}
		return true
	})
	return found
}
