package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const root = ".."

// pages is every Markdown page of the repository, by its path from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "node_modules" || name == "testdata" || path != root && strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fence  = regexp.MustCompile("(?ms)^ {0,3}(```|~~~).*?^ {0,3}(```|~~~) *$")
	code   = regexp.MustCompile("`[^`\n]*`")
	inline = regexp.MustCompile(`\]\(<?([^()\s<>]+)>?(?:\s+"[^"]*")?\)`)
	named  = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s+<?([^\s<>]+)`)
	scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
	header = regexp.MustCompile(`(?m)^#{1,6} +(.+?)(?: +#+)?$`)
	marked = regexp.MustCompile(`<[a-z]+ [^>]*(?:id|name)="([^"]+)"`)
)

// links is where a page's links lead that stay in the repository.
func links(text string) (targets []string) {
	text = code.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	for _, form := range []*regexp.Regexp{inline, named} {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			if !scheme.MatchString(m[1]) {
				targets = append(targets, m[1])
			}
		}
	}
	return targets
}

// anchors is what can stand behind # in a link to a page: its headings, as
// GitHub makes them anchors, and those that it sets by itself.
func anchors(text string) map[string]bool {
	text = fence.ReplaceAllString(text, "")
	found := map[string]bool{}
	for _, m := range header.FindAllStringSubmatch(text, -1) {
		name := slug(m[1])
		for n, again := 1, name; found[name]; n++ {
			name = again + "-" + strconv.Itoa(n)
		}
		found[name] = true
	}
	for _, m := range marked.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}

func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestEveryLinkInTheDocumentsLeadsSomewhere(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, link := range links(text) {
			path, anchor, _ := strings.Cut(link, "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(path))
			}
			if rel, err := filepath.Rel(root, target); strings.HasPrefix(path, "/") || err != nil || !filepath.IsLocal(rel) {
				t.Errorf("%s: %s leads out of the repository", page, link)
				continue
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads to no file", page, link)
				continue
			}
			if anchor != "" && filepath.Ext(target) == ".md" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s: there is no such heading", page, link)
			}
		}
	}
}

func TestLinksAndAnchorsAreReadAsGitHubReadsThem(t *testing.T) {
	const text = "# A `b`: c-d, _e_!\n[x](../y.md#z) [1](<a.md> \"t\") `[n](o.md)`\n```\n[n](o.md)\n# no\n```\n" +
		"[ref]: r.md\n[w](https://x.y) ![i](i.png)\n## Twice\n## Twice\n<a id=\"own\"></a>"
	if got, want := strings.Join(links(text), " "), "../y.md#z a.md i.png r.md"; got != want {
		t.Errorf("links = %q, want %q", got, want)
	}
	got := anchors(text)
	for _, want := range []string{"a-b-c-d-_e_", "twice", "twice-1", "own"} {
		if !got[want] {
			t.Errorf("anchors = %v, want %q in it", got, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("anchors = %v, want 4", got)
	}
}

// literals is every text and number that stands in what pick chooses of a Go
// file: the protocol as the code has it.
func literals(t *testing.T, file string, pick func(ast.Node) []ast.Expr) (found []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		for _, e := range pick(n) {
			lit, ok := e.(*ast.BasicLit)
			if !ok {
				continue
			}
			value := lit.Value
			if lit.Kind == token.STRING {
				if value, err = strconv.Unquote(value); err != nil {
					t.Fatal(err)
				}
			}
			found = append(found, value)
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s: nothing was found: has the code moved?", file)
	}
	return found
}

// in chooses within one function.
func in(name string, pick func(ast.Node) []ast.Expr) func(ast.Node) []ast.Expr {
	return func(n ast.Node) (found []ast.Expr) {
		if f, ok := n.(*ast.FuncDecl); ok && f.Name.Name == name {
			ast.Inspect(f, func(n ast.Node) bool {
				found = append(found, pick(n)...)
				return true
			})
		}
		return found
	}
}

func cases(n ast.Node) []ast.Expr {
	if c, ok := n.(*ast.CaseClause); ok {
		return c.List
	}
	return nil
}

func results(n ast.Node) []ast.Expr {
	if r, ok := n.(*ast.ReturnStmt); ok {
		return r.Results
	}
	return nil
}

// typed chooses the values of constants of a type.
func typed(name string) func(ast.Node) []ast.Expr {
	return func(n ast.Node) []ast.Expr {
		if v, ok := n.(*ast.ValueSpec); ok {
			if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == name {
				return v.Values
			}
		}
		return nil
	}
}

func TestTheNativeProtocolsPageNamesAllThatTheCodeKnows(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "protocol", "native.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	const native, session = "gateway/internal/door/native/", "gateway/internal/session/"
	for what, names := range map[string][]string{
		"code":                 literals(t, "shared/wire/code.go", typed("Code")),
		"client event":         literals(t, native+"hear.go", in("ask", cases)),
		"name of the server's": literals(t, session+"publish.go", in("reserved", cases)),
	} {
		for _, name := range names {
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("docs/protocol/native.md does not name the %s %q", what, name)
			}
		}
	}
	for _, number := range literals(t, native+"native.go", in("closeCode", results)) {
		if !strings.Contains(text, "\n| "+number+" |") {
			t.Errorf("docs/protocol/native.md has no line for the close code %s", number)
		}
	}
}
