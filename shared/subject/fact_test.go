package subject_test

import (
	"testing"

	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestAFactHasOneKey(t *testing.T) {
	red, task := subject.Room{Type: "team", ID: "red"}, subject.Room{Type: "task", ID: "a@b"}
	for key, fact := range map[string]subject.Fact{
		"team.red.member.user.ann":                 subject.MemberOf(red, "ann"),
		"team.red.member.user.ann=40example=2ecom": subject.MemberOf(red, "ann@example.com"),
		"task.a=40b.parent.team.red":               subject.ParentOf(task, red),
	} {
		if got := fact.Key(); got != key {
			t.Errorf("key of %s = %s, want %s", fact, got, key)
		}
		if got, ok := subject.ParseFact(key); !ok || got != fact {
			t.Errorf("ParseFact(%s) = %v, %v, want %v", key, got, ok, fact)
		}
	}
}

func TestWhatIsNoFactIsRefused(t *testing.T) {
	for name, key := range map[string]string{
		"nothing":                       "",
		"too short":                     "team.red.member.user",
		"too long":                      "team.red.member.user.ann.b",
		"another relation":              "team.red.owner.user.ann",
		"a member that is no user":      "team.red.member.team.blue",
		"a room that is its own parent": "team.red.parent.team.red",
		"a type that is none":           "Team.red.member.user.ann",
		"an id escaped without need":    "team.=72ed.member.user.ann",
		"an empty id":                   "team..member.user.ann",
		"upper-case hex":                "team.a=2E.member.user.ann",
	} {
		if f, ok := subject.ParseFact(key); ok {
			t.Errorf("%s: ParseFact(%q) = %v, want none", name, key, f)
		}
	}
}

func FuzzParseFact(f *testing.F) {
	f.Add("team.red.member.user.ann")
	f.Add("task.a=40b.parent.team.red")
	f.Fuzz(func(t *testing.T, key string) {
		if fact, ok := subject.ParseFact(key); ok && (fact.Key() != key || !fact.Valid()) {
			t.Errorf("ParseFact(%q) = %v, whose key is %q", key, fact, fact.Key())
		}
	})
}
