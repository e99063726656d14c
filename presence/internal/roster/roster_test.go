package roster_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

var (
	users = []string{"ann", "bob", "eve"}
	rooms = []string{"task:1", "task:2", "user:ann"}
)

// step is one record of a random history.
type step struct {
	key roster.Key
	rec *wire.PresenceRecord
}

// history makes records as they may stand in the bucket, in any order: also
// such as the service would not write.
func history(rnd *rand.Rand, n int) (steps []step) {
	pick := func(from []string) string { return from[rnd.IntN(len(from))] }
	for range n {
		gateway := pick([]string{"g1", "g2"})
		s := step{key: roster.Key{User: pick(users), Gateway: gateway, Conn: fmt.Sprintf("%s-%d", gateway, rnd.IntN(3))}}
		if rnd.IntN(4) > 0 {
			s.rec = &wire.PresenceRecord{Turn: 1, Door: "native", IP: "192.0.2.1", Since: rnd.Int64N(5)}
			for _, room := range rooms {
				if rnd.IntN(2) == 0 {
					s.rec.Rooms = append(s.rec.Rooms, room)
				}
			}
			if rnd.IntN(2) == 0 {
				s.rec.Status = &wire.UserStatus{Status: pick([]string{wire.Online, wire.Away, wire.Busy, wire.Invisible})}
				s.rec.StatusAt = 1 + rnd.Int64N(4)
			}
			if rnd.IntN(3) == 0 {
				s.rec.Info = json.RawMessage(pick([]string{`{"name":"A"}`, `{"name":"B"}`}))
			}
			if rnd.IntN(3) == 0 {
				s.rec.End = &wire.PresenceEnd{At: rnd.Int64N(5), Grace: rnd.IntN(2) == 0}
			}
		}
		steps = append(steps, s)
	}
	return steps
}

func TestItIsWhatTheNewestRecordsSayAfterEveryRecord(t *testing.T) {
	for seed := range uint64(40) {
		r, m := roster.New(), model{}
		for i, s := range history(rand.New(rand.NewPCG(seed, 1)), 60) {
			before := seen(m)
			touched := r.Apply(uint64(i+1), s.key, s.rec)
			m.apply(s.key, s.rec)
			if got, want := show(built{r}, users, rooms), show(m, users, rooms); got != want {
				t.Fatalf("seed %d, record %d: the roster is\n%swant\n%s", seed, i, got, want)
			}
			// Whatever others see change is told of, and nothing else.
			after := seen(m)
			want := map[roster.Touch]bool{}
			for touch := range maps.Keys(merge(before, after)) {
				if before[touch] != after[touch] {
					want[touch] = true
				}
			}
			got := map[roster.Touch]bool{}
			for _, touch := range touched {
				got[touch] = true
			}
			if !maps.Equal(got, want) || len(touched) != len(got) {
				t.Fatalf("seed %d, record %d: touched %v, want %v", seed, i, touched, want)
			}
		}
	}
}

// seen is every face in a model, the invisible ones too.
func seen(m model) map[roster.Touch]roster.Face {
	all := map[roster.Touch]roster.Face{}
	for _, room := range append([]string{""}, rooms...) {
		for _, user := range users {
			touch := roster.Touch{Room: room, User: user}
			if s, here := m.of(touch); here {
				all[touch] = s.Face
			}
		}
	}
	return all
}

func merge(a, b map[roster.Touch]roster.Face) map[roster.Touch]roster.Face {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func TestWhoReadsOnlyWhatIsLeftAgreesWithWhoHeardAll(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		steps := history(rnd, 150)
		all, late := roster.New(), roster.New()
		newest := map[roster.Key]int{}
		begins := rnd.IntN(len(steps)) // from there on late hears all, too
		for i, s := range steps {
			all.Apply(uint64(i+1), s.key, s.rec)
			if i < begins {
				newest[s.key] = i
			}
		}
		left := slices.Sorted(maps.Values(newest))
		for i := begins; i < len(steps); i++ {
			left = append(left, i)
		}
		for _, i := range left {
			late.Apply(uint64(i+1), steps[i].key, steps[i].rec)
		}
		if got, want := show(built{late}, users, rooms), show(built{all}, users, rooms); got != want {
			t.Fatalf("seed %d: who began late sees\n%swho heard all\n%s", seed, got, want)
		}
		if got, want := chores(late), chores(all); got != want {
			t.Fatalf("seed %d: who began late knows %s, who heard all %s", seed, got, want)
		}
	}
}

// chores is what a roster asks its service to do, as text.
func chores(r *roster.Roster) string {
	heirs := r.Heirs("ann")
	slices.SortFunc(heirs, func(a, b roster.Key) int { return strings.Compare(a.String(), b.String()) })
	return fmt.Sprint(r.Gateways(), heirs)
}

func TestNobodyIsLeftWhenAllKeysAreGone(t *testing.T) {
	for seed := range uint64(50) {
		r := roster.New()
		steps := history(rand.New(rand.NewPCG(seed, 3)), 200)
		for i, s := range steps {
			r.Apply(uint64(i+1), s.key, s.rec)
		}
		for i, s := range steps {
			r.Apply(uint64(len(steps)+i), s.key, nil)
		}
		users, conns := r.Size()
		if left := append(slices.Collect(r.Names()), slices.Collect(r.Rooms())...); users+conns+len(left)+len(r.Gateways()) > 0 {
			t.Fatalf("seed %d: left are %d users, %d connections, %v, %v", seed, users, conns, left, r.Gateways())
		}
	}
}

func TestARecordComesBackAsItWas(t *testing.T) {
	for _, s := range history(rand.New(rand.NewPCG(1, 4)), 200) {
		if s.rec == nil {
			continue
		}
		r := roster.New()
		r.Apply(7, s.key, s.rec)
		got, seq, ok := r.Record(s.key)
		if a, b := asJSON(t, got), asJSON(t, *s.rec); a != b || seq != 7 || !ok {
			t.Fatalf("Record = %s, %d, %v; want %s, 7", a, seq, ok, b)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAKeyIsReadAsItIsWritten(t *testing.T) {
	for _, k := range []roster.Key{{"ann", "g1", "g1-7"}, {"ann@example.com", "g_1", "g_1-7"}, {"=", "=", "="}} {
		if got, ok := roster.ParseKey(k.String()); !ok || got != k {
			t.Errorf("ParseKey(%q) = %v, %v, want %v", k.String(), got, ok, k)
		}
	}
	for _, text := range []string{"", "ann", "ann.g1", "ann.g1.g1-1.x", "=.=.probe", "ann..g1-1", "=61nn.g1.g1-1"} {
		if k, ok := roster.ParseKey(text); ok {
			t.Errorf("ParseKey(%q) = %v, want none", text, k)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ann.g1.g1-7")
	f.Add("=40.g.g-1")
	f.Fuzz(func(t *testing.T, text string) {
		if k, ok := roster.ParseKey(text); ok && k.String() != text {
			t.Errorf("ParseKey(%q) = %v, which is %q", text, k, k.String())
		}
	})
}

func Example() {
	r := roster.New()
	laptop := roster.Key{User: "ann", Gateway: "g1", Conn: "g1-1"}
	phone := roster.Key{User: "ann", Gateway: "g2", Conn: "g2-9"}
	in := &wire.PresenceRecord{Turn: 1, Rooms: []string{"task:42"}}
	fmt.Println(r.Apply(1, laptop, in))
	fmt.Println(r.Apply(2, phone, in))
	fmt.Println(r.Apply(3, laptop, nil)) // gone: nobody sees a difference
	fmt.Println(r.Apply(4, phone, nil))
	// Output:
	// [{ ann} {task:42 ann}]
	// []
	// []
	// [{ ann} {task:42 ann}]
}
