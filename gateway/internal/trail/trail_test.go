package trail_test

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/trail"
)

// lay adds one event a letter from an offset on; each names its room.
func lay(r *trail.Ring, from uint64, rooms string) {
	for i, name := range rooms {
		r.Add(from+uint64(i), room(name))
	}
}

// room is the hash of a room with a name of one letter. All letters are under
// one head of a ring.
func room(name rune) trail.Room { return trail.Room(name) << 52 }

func TestSince(t *testing.T) {
	for name, c := range map[string]struct {
		log   string // from offset 1 on, in a ring of 8
		room  rune
		after uint64
		most  int
		want  []uint64
		ok    bool
	}{
		"a room's events":                       {"abacab", 'a', 0, 8, []uint64{1, 3, 5}, true},
		"those after an offset":                 {"abacab", 'a', 1, 8, []uint64{3, 5}, true},
		"after one of another room":             {"abacab", 'a', 2, 8, []uint64{3, 5}, true},
		"none after the last":                   {"abacab", 'a', 5, 8, nil, true},
		"none after the end":                    {"abacab", 'a', 6, 8, nil, true},
		"after what is yet to come":             {"abacab", 'a', 7, 8, nil, false},
		"of a room without events":              {"abacab", 'd', 0, 8, nil, true},
		"of a ring that holds nothing":          {"", 'a', 0, 8, nil, true},
		"of a full ring from its begin":         {"aabacabbb", 'a', 1, 8, []uint64{2, 4, 6}, true},
		"of a full ring from before":            {"aabacabbb", 'a', 0, 8, nil, false},
		"a room whose last events fell out":     {"aabbbbbbbb", 'a', 2, 8, nil, true},
		"as many as may be looked at":           {"abacab", 'a', 3, 3, []uint64{5}, true},
		"more than may be looked at":            {"abacab", 'a', 2, 3, nil, false},
		"a link to what fell out leads nowhere": {"abbbbbbbab", 'a', 2, 8, []uint64{9}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := trail.New(8)
			lay(r, 1, c.log)
			got, ok := r.Since(room(c.room), c.after, c.most)
			if !slices.Equal(got, c.want) || ok != c.ok {
				t.Errorf("%s: Since(%c, %d, %d) = %v, %v; want %v, %v", c.log, c.room, c.after, c.most, got, ok, c.want, c.ok)
			}
		})
	}
}

func TestAGapBeginsTheRingAnew(t *testing.T) {
	r := trail.New(8)
	lay(r, 1, "aaa")
	for _, next := range []uint64{6, 2} { // one ahead, one that was there before
		lay(r, next, "ab")
		if after, upTo := r.Knows(); after != next-1 || upTo != next+1 {
			t.Fatalf("knows (%d, %d] after a gap before %d", after, upTo, next)
		}
		if got, ok := r.Since(room('a'), next-1, 8); !ok || !slices.Equal(got, []uint64{next}) {
			t.Errorf("after a gap before %d: %v, %v", next, got, ok)
		}
	}
}

// plain is a ring as one would write it without a thought for speed.
type plain struct {
	span       uint64
	rooms      map[uint64]trail.Room
	start, end uint64
}

func (p *plain) begin(after uint64) { p.rooms, p.start, p.end = map[uint64]trail.Room{}, after, after }

func (p *plain) add(offset uint64, room trail.Room) {
	p.rooms[offset], p.end = room, offset
	p.start = max(p.start, p.floor())
}

func (p *plain) floor() uint64 { return p.end - min(p.end, p.span) }

func (p *plain) grow(after uint64, older []trail.Event) {
	for _, e := range older {
		p.rooms[e.Offset] = e.Room
	}
	p.start = min(p.start, max(after, p.floor()))
}

func (p *plain) since(room trail.Room, after uint64) (offsets []uint64) {
	for at := after + 1; at <= p.end; at++ {
		if r, there := p.rooms[at]; there && r == room {
			offsets = append(offsets, at)
		}
	}
	return offsets
}

// TestARingIsAsAPlainMap plays random logs: live events, growth downwards with
// holes in it, and new beginnings.
func TestARingIsAsAPlainMap(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			const span = 64
			ring, model := trail.New(span), &plain{span: span}
			rooms := make([]trail.Room, 1+rnd.IntN(40))
			for i := range rooms {
				rooms[i] = trail.Room(i)<<52 | trail.Room(rnd.IntN(20)) // no two have the same tag
			}
			some := func() trail.Room { return rooms[rnd.IntN(len(rooms))] }
			begin := func() {
				at := rnd.Uint64N(3 * span)
				ring.Begin(at)
				model.begin(at)
			}
			begin()
			for range 400 {
				switch rnd.IntN(40) {
				case 0:
					begin()
				case 1, 2, 3, 4:
					after := model.start - min(model.start, rnd.Uint64N(20))
					var older []trail.Event
					for at := max(after, model.floor()) + 1; at <= model.start; at++ {
						if rnd.IntN(4) > 0 {
							older = append(older, trail.Event{Offset: at, Room: some()})
						}
					}
					ring.Grow(after, older)
					model.grow(after, older)
				default:
					r := some()
					ring.Add(model.end+1, r)
					model.add(model.end+1, r)
				}
				same(t, ring, model, some(), rnd)
			}
		})
	}
}

func same(t *testing.T, ring *trail.Ring, model *plain, room trail.Room, rnd *rand.Rand) {
	t.Helper()
	if after, upTo := ring.Knows(); after != model.start || upTo != model.end {
		t.Fatalf("knows (%d, %d], want (%d, %d]", after, upTo, model.start, model.end)
	}
	after := model.start + rnd.Uint64N(model.end-model.start+1)
	want := model.since(room, after)
	if got, ok := ring.Since(room, after, 1000); !ok || !slices.Equal(got, want) {
		t.Fatalf("Since(%d) = %v, %v; want %v", after, got, ok, want)
	}
}

// hashes are those of so many rooms' subjects.
func hashes(rooms int) []trail.Room {
	seed, all := maphash.MakeSeed(), make([]trail.Room, rooms)
	for i := range all {
		all[i] = trail.Room(maphash.String(seed, fmt.Sprintf("hub.event.task.%d", i)))
	}
	return all
}

// BenchmarkAdd is what a live event costs, its room's hash included.
func BenchmarkAdd(b *testing.B) {
	for _, rooms := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(rooms, " rooms"), func(b *testing.B) {
			ring, seed := trail.New(trail.MostSpan), maphash.MakeSeed()
			subjects := make([]string, rooms)
			for i := range subjects {
				subjects[i] = fmt.Sprintf("hub.event.task.%d", i)
			}
			b.ReportAllocs()
			for offset := uint64(1); b.Loop(); offset++ {
				ring.Add(offset, trail.Room(maphash.String(seed, subjects[offset*7919%uint64(rooms)])))
			}
		})
	}
}

// BenchmarkSince finds 100 events that lie 10,000 apart in a full ring.
func BenchmarkSince(b *testing.B) {
	const rooms = 10_000
	ring, all := trail.New(trail.MostSpan), hashes(rooms)
	for offset := range uint64(trail.MostSpan) {
		ring.Add(offset+1, all[offset%rooms])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if got, ok := ring.Since(all[i%rooms], trail.MostSpan-1_000_000, 1000); !ok || len(got) < 100 {
			b.Fatalf("found %d, %v", len(got), ok)
		}
	}
}
