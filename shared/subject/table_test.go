package subject_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/shared/subject"
)

var update = flag.Bool("update", false, "write what the code prints into the files that are compared with it")

func TestPrintedFilesSayWhatTheCodeSays(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/subjects.md": subject.Tree{}.Markdown(),
		"../../nats.conf":        subject.Tree{}.NATSConf(),
	} {
		t.Run(path, func(t *testing.T) {
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
		})
	}
}

func TestAPatternIsTheSubjectWithWildcardsForItsBrackets(t *testing.T) {
	for subj, want := range map[string]string{
		"hub.svc.authz.join":           "hub.svc.authz.join",
		"hub.event.<type>.<id>":        "hub.event.*.*",
		"hub.call.<event…>":            "hub.call.>",
		"hub.conn.<gateway>.told":      "hub.conn.*.told",
		"$KV.HUB_QUOTA.<key…>":         "$KV.HUB_QUOTA.>",
		"hub.a.<first>.b.<second>.c.d": "hub.a.*.b.*.c.d",
	} {
		if got := (subject.Family{Subject: subj}).Pattern(); got != want {
			t.Errorf("pattern of %s = %s, want %s", subj, got, want)
		}
	}
}

func TestEveryFamilyHasAUse(t *testing.T) {
	users := make(map[string]bool)
	for _, p := range (subject.Tree{}).Users() {
		users[p.User] = true
	}
	for _, f := range (subject.Tree{}).Families() {
		if len(f.Says)+len(f.Hears) == 0 || f.Kind == "" || f.Meaning == "" {
			t.Errorf("%s: nobody says or hears it, or nothing is told of it", f.Subject)
		}
		if (f.Kind == subject.Heard) != (len(f.Says) == 0) {
			t.Errorf("%s: kind %s, said by %v: what is republished, and only that, is said by no user", f.Subject, f.Kind, f.Says)
		}
		if (f.Kind == subject.Record) != (len(f.Hears) == 0) {
			t.Errorf("%s: kind %s, heard by %v: a record, and only that, is heard by its stream alone", f.Subject, f.Kind, f.Hears)
		}
		for _, u := range slices.Concat(f.Says, f.Hears) {
			if !users[u] {
				t.Errorf("%s: no user %q", f.Subject, u)
			}
		}
	}
}

func TestAnotherPrefixLeavesNothingUnderTheDefault(t *testing.T) {
	tree, err := subject.Below("acme")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"nats.conf": tree.NATSConf(), "subjects.md": tree.Markdown()} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, "hub.") || strings.Contains(line, "HUB_") {
				t.Errorf("%s below acme: %s", name, line)
			}
		}
	}
}
