package subject_test

import (
	"testing"

	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestWhatIsToldOfAUserIsReadFromItsSubject(t *testing.T) {
	tree := subject.Tree{}
	for subj, want := range map[string]struct {
		room subject.Room
		user string
	}{
		"hub.int.told.room.task.42.ann":         {subject.Room{Type: "task", ID: "42"}, "ann"},
		"hub.int.told.room.task.a=40b.ann=2ec":  {subject.Room{Type: "task", ID: "a@b"}, "ann.c"},
		"hub.int.told.user.ann=40example=2ecom": {subject.Room{}, "ann@example.com"},
	} {
		room, user, ok := tree.ParseTell(subj)
		if !ok || room != want.room || user != want.user {
			t.Errorf("ParseTell(%s) = %v, %q, %v, want %v, %q", subj, room, user, ok, want.room, want.user)
		}
		if got := tree.Tell(room, user); got != subj {
			t.Errorf("Tell(%v, %s) = %s, want %s", room, user, got, subj)
		}
	}
	for _, subj := range []string{
		"hub.told.user.ann", "hub.int.told.user", "hub.int.told.user.", "hub.int.told.user.a.b", "hub.int.told.room.task.ann",
		"hub.int.told.room.TASK.1.ann", "hub.int.told.room.task.1.=61nn", "hub.int.told.mesh.ann", "",
	} {
		if room, user, ok := tree.ParseTell(subj); ok {
			t.Errorf("ParseTell(%q) = %v, %q, want none", subj, room, user)
		}
	}
}

func TestWhatIsToldIsHeardBesideWhereItIsRecorded(t *testing.T) {
	tree := subject.Tree{}
	room := subject.Room{Type: "task", ID: "42"}
	for got, want := range map[string]string{
		tree.Told(room, "ann"):           "hub.told.room.task.42.ann",
		tree.Told(subject.Room{}, "ann"): "hub.told.user.ann",
		tree.ToldAll():                   "hub.told.>",
		tree.Report():                    "hub.int.presence.report",
		tree.Client(subject.Connected):   "hub.client.connected",
	} {
		if got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}

func TestTellKeyIsTheRoomsOrTheUsers(t *testing.T) {
	tree := subject.Tree{}
	for subj, want := range map[string]struct {
		key  string
		mesh bool
		ok   bool
	}{
		tree.Tell(subject.Room{Type: "task", ID: "4.2"}, "a.b"): {"task.4=2e2", false, true},
		tree.Tell(subject.Room{}, "ann@example.com"):            {subject.User("ann@example.com").Key(), true, true},
		tree.Tell(subject.User("ann"), "bob"):                   {"user.ann", false, true},
		"hub.int.told.room.task.42":                             {"", false, false},
		"hub.int.told.room":                                     {"", false, false},
		"hub.int.told.user":                                     {"", false, false},
		"hub.int.told.user.a.b":                                 {"", true, false},
		"hub.told.room.task.42.ann":                             {"", false, false},
		"acme.int.told.user.ann":                                {"", false, false},
		"hubs":                                                  {"", false, false},
		"":                                                      {"", false, false},
	} {
		key, mesh, ok := tree.TellKey(subj)
		if ok != want.ok || ok && (key != want.key || mesh != want.mesh) {
			t.Errorf("TellKey(%q) = %q, %v, %v, want %q, %v, %v", subj, key, mesh, ok, want.key, want.mesh, want.ok)
		}
	}
}
