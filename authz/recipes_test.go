package authz_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// recipe is one of docs/operations/authorization.md.
type recipe struct {
	policy string
	facts  []string
	rows   [][]string // user, claims, room, what the user may
}

func recipes(t *testing.T) map[string]recipe {
	t.Helper()
	text, err := os.ReadFile("../docs/operations/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]recipe{}
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		blocks := regexp.MustCompile("(?s)<!-- recipe -->\n```yaml\n(.*?)```\n```text\n(.*?)```\n(.*?)\n(\n|$)").FindStringSubmatch(section)
		if blocks == nil {
			t.Fatalf("recipe %s has no policy, relations and table", title)
		}
		r := recipe{policy: blocks[1], facts: strings.Fields(blocks[2])}
		for _, row := range strings.Split(blocks[3], "\n")[2:] {
			cells := strings.Split(strings.Trim(row, "| "), " | ")
			for i := range cells {
				cells[i] = strings.Trim(cells[i], "`")
			}
			r.rows = append(r.rows, cells)
		}
		all[title] = r
	}
	return all
}

// right is a right as the recipes name it.
func right(name string) wire.Right {
	if name == "join" {
		return wire.Subscribe
	}
	return wire.Right(name)
}

func TestTheRecipesWorkAsTheyAreTold(t *testing.T) {
	all := recipes(t)
	if len(all) != 4 {
		t.Fatalf("%d recipes are found, want 4", len(all))
	}
	for title, r := range all {
		t.Run(title, func(t *testing.T) {
			h := newHouse(t, authz.Config{Policy: []byte(r.policy)}, func(h *house) { h.relate(r.facts...) })
			for _, row := range r.rows {
				user, room, may := row[0], row[2], row[3]
				var claims map[string]json.RawMessage
				if err := json.Unmarshal([]byte(row[1]), &claims); err != nil {
					t.Fatalf("claims of %v: %v", row, err)
				}
				got, err := call[wire.JoinAnswer](t, h.nc, "join", wire.JoinAsk{User: user, Claims: claims, Rooms: []string{room}})
				if err != nil {
					t.Fatal(err)
				}
				var want []wire.Right
				switch may {
				case "everything":
					want = []wire.Right{wire.Subscribe, wire.Signal, wire.Publish, wire.Presence, wire.History}
				case "nothing":
				default:
					for _, name := range strings.Split(may, ", ") {
						want = append(want, right(name))
					}
				}
				if can := got.Rooms[room].Can; !slices.Equal(can, want) {
					t.Errorf("%s with %s may %v in %s, want %v", user, row[1], can, room, want)
				}
			}
		})
	}
}

// The policy that the page begins with is one.
func TestThePolicyOfThePageIsOne(t *testing.T) {
	text, err := os.ReadFile("../docs/operations/authorization.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```yaml\n(task:.*?)```").FindSubmatch(text)
	if shown == nil {
		t.Fatal("the page shows no policy")
	}
	if err := authz.CheckPolicy("authorization.md", shown[1]); err != nil {
		t.Error(err)
	}
}
