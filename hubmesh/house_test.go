package main_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageImportsWhomTheHouseLetsIt(t *testing.T) {
	packages := readHouse(t)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		t.Run(dir, func(t *testing.T) {
			r, ok := house[dir]
			if !ok {
				t.Fatalf("%s is not in the table: add it to house in hubmesh/house_table_test.go, with whom it may import; "+
					"make it pure if it decides something", dir)
			}
			p := packages[dir]
			may, libs := r.imports(), strings.Fields(r.libs)
			for _, other := range slices.Sorted(maps.Keys(p.house)) {
				if !slices.Contains(may, other) {
					t.Errorf("%s imports %s (%s): ask whether the arrow goes the right way; if so, add it to the table",
						dir, other, p.house[other])
				}
			}
			for _, other := range may {
				if p.house[other] == "" {
					t.Errorf("%s does not import %s any more: take the arrow out of the table", dir, other)
				}
			}
			checkLibs(t, dir, p.libs, libs)
			checkLibs(t, dir, p.testLibs, append(libs, strings.Fields(testLibs)...))
			if r.pure {
				checkPure(t, dir, p, strings.Fields(r.but))
			}
		})
	}
	for dir := range house {
		if _, ok := packages[dir]; !ok {
			t.Errorf("%s is in the table but nowhere else: take it out", dir)
		}
	}
}

func checkLibs(t *testing.T, dir string, used map[string]string, may []string) {
	t.Helper()
	for _, lib := range slices.Sorted(maps.Keys(used)) {
		if !slices.ContainsFunc(may, func(m string) bool { return lib == m || strings.HasPrefix(lib, m+"/") }) {
			t.Errorf("%s imports %s (%s): use the standard library, or the package that is made for it; else add it to the table",
				dir, lib, used[lib])
		}
	}
}

func checkPure(t *testing.T, dir string, p sources, but []string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(p.std)) {
		if slices.Contains(impure, path) && !slices.Contains(but, path) {
			t.Errorf("%s is pure but imports %s (%s): take a value instead, and let the caller do the rest", dir, path, p.std[path])
		}
	}
	for _, what := range p.impure {
		t.Errorf("%s is pure but %s: take the time as an argument, and start nothing", dir, what)
	}
}

func TestServicesMeetOnlyOnTheBus(t *testing.T) {
	services := []string{"gateway", "presence", "authz", "ratelimit"}
	for dir, r := range house {
		module, _, _ := strings.Cut(dir, "/")
		for _, other := range r.imports() {
			target, inside, _ := strings.Cut(other, "/")
			switch {
			case target == module, target == "shared":
			case module == "hubmesh" && slices.Contains(services, target) && inside == "":
			default:
				t.Errorf("the table lets %s import %s: only hubmesh imports services, and only their roots", dir, other)
			}
		}
	}
}
