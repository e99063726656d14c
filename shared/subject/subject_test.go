package subject_test

import (
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestARoomIsATypeAndAnID(t *testing.T) {
	long := strings.Repeat("a", subject.MaxRoomID)
	for text, want := range map[string]string{ // the room's key; none: no room
		"task:42":               "task.42",
		"task:a@b":              "task.a=40b",
		"task:a:b":              "task.a=3ab",
		"user:ann@example.com":  "user.ann=40example=2ecom",
		"a-1:ü":                 "a-1.=c3=bc",
		"task:" + long:          "task." + long,
		"task:a b":              "task.a=20b",
		"task:" + long + "a":    "",
		"task":                  "",
		"task:":                 "",
		":42":                   "",
		"Task:42":               "",
		"1task:42":              "",
		"task_a:42":             "",
		strings.Repeat("a", 33): "",
		"task:a\x00":            "",
		"task:a\x7f":            "",
		"task:\u0085":           "",
		"task:\xff":             "",
	} {
		r, err := subject.ParseRoom(text)
		if (err == nil) != (want != "") {
			t.Errorf("ParseRoom(%q): %v, want a room: %v", text, err, want != "")
			continue
		}
		if err != nil {
			continue
		}
		if r.Key() != want || r.String() != text {
			t.Errorf("ParseRoom(%q) = %q with key %q, want key %q", text, r, r.Key(), want)
		}
		if back, ok := subject.ParseKey(r.Key()); !ok || back != r {
			t.Errorf("ParseKey(%q) = %q, %v, want %q", r.Key(), back, ok, r)
		}
	}
}

func TestOnlyOneSpellingNamesARoom(t *testing.T) {
	for _, key := range []string{"task.a=40", "task.a=40b=2e"} {
		if _, ok := subject.ParseKey(key); !ok {
			t.Errorf("ParseKey(%q) names no room", key)
		}
	}
	for key, why := range map[string]string{
		"task.=61":   "an a needs no escape",
		"task.a=4":   "half an escape",
		"task.a=2E":  "capitals",
		"task.a@b":   "not escaped",
		"task.a.b":   "three tokens",
		"task":       "one token",
		"task.":      "no id",
		"task.=00":   "a control character",
		"task.=ff":   "no UTF-8",
		"=74ask.a":   "a type is never escaped",
		"task.a=xyz": "no hex",
	} {
		if r, ok := subject.ParseKey(key); ok {
			t.Errorf("ParseKey(%q) = %q, want none: %s", key, r, why)
		}
	}
}

func TestAnEventsNameHasNoEmptyPartAndNoSpaceAtItsEnds(t *testing.T) {
	for name, want := range map[string]bool{
		"task:update": true, "a": true, "two words": true, "ünï": true, "a.b": true, strings.Repeat("a", subject.MaxEvent): true,
		"": false, ":a": false, "a:": false, "a::b": false, " a": false, "a ": false, "a\u00a0": false,
		"a\nb": false, "\xff": false, strings.Repeat("a", subject.MaxEvent+1): false,
	} {
		if got := subject.ValidEvent(name); got != want {
			t.Errorf("ValidEvent(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestAUsersNameHasNoSpaceThatAHeaderWouldLose(t *testing.T) {
	for name, want := range map[string]bool{
		"ann": true, "ann@example.com": true, "Ann Lee": true, "ä": true, strings.Repeat("a", 128): true,
		"": false, " ann": false, "ann ": false, "ann\t": false, "a\nb": false, "\xff": false, strings.Repeat("a", 129): false,
	} {
		if got := subject.ValidUser(name); got != want {
			t.Errorf("ValidUser(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestAPrefixIsOneToken(t *testing.T) {
	for prefix, want := range map[string]bool{
		"": true, "hub": true, "acme-2": true, "Acme": false, "a.b": false, "a*": false, "2a": false, "a_b": false, strings.Repeat("a", 33): false,
	} {
		if _, err := subject.Below(prefix); (err == nil) != want {
			t.Errorf("Below(%q): %v, want it taken: %v", prefix, err, want)
		}
	}
}

func TestRoomKeyTakesTheTokensOutOfASubject(t *testing.T) {
	tree := subject.Tree{}
	for subj, want := range map[string]string{
		"hub.event.task.42":     "task.42",
		"hub.stored.task.a=40b": "task.a=40b",
		"hub.live.task.42":      "task.42",
		"hub.event.task":        "",
		"hub.event":             "",
		"hub.":                  "",
		"hubs.event.task.42":    "",
		"acme.event.task.42":    "",
	} {
		if got, ok := tree.RoomKey(subj); ok != (want != "") || ok && got != want {
			t.Errorf("RoomKey(%q) = %q, %v, want %q", subj, got, ok, want)
		}
	}
	allocs := testing.AllocsPerRun(100, func() { tree.RoomKey("hub.stored.task.42") })
	if allocs != 0 {
		t.Errorf("RoomKey allocates %v times, want none", allocs)
	}
}

func FuzzUnescapeIsTheOnlyReverseOfEscape(f *testing.F) {
	for _, seed := range []string{"", "42", "a@b", "a=40b", "=", "=4", "=2E", "=61", "ü", "\xff\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if tok := subject.Escape(s); s != "" {
			if back, ok := subject.Unescape(tok); !ok || back != s {
				t.Errorf("Unescape(Escape(%q)) = %q, %v", s, back, ok)
			}
			if strings.ContainsAny(tok, ".*> \t\r\n") {
				t.Errorf("Escape(%q) = %q is not one token", s, tok)
			}
		}
		if text, ok := subject.Unescape(s); ok && subject.Escape(text) != s {
			t.Errorf("Unescape takes %q, which Escape writes as %q", s, subject.Escape(text))
		}
	})
}

func FuzzARoomIsItsKeyAndBack(f *testing.F) {
	for _, seed := range []string{"task:42", "task:a@b", "user:ann@example.com", "task.42", "task.a=40b", "task:\u0085"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := subject.ParseRoom(s); err == nil {
			if back, ok := subject.ParseKey(r.Key()); !ok || back != r || r.String() != s {
				t.Errorf("ParseKey(%q) = %v, %v, want %q", r.Key(), back, ok, s)
			}
		}
		if r, ok := subject.ParseKey(s); ok && r.Key() != s {
			t.Errorf("ParseKey takes %q, whose key is %q", s, r.Key())
		}
	})
}
