package room_test

import (
	"strconv"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/room"
)

// crowd is n members of one room, whose position is at, and a writer for all.
func crowd(n int) (r *room.Rooms, write func()) {
	r = newRooms()
	p := dialect{spelt: new(int)}
	members := make([]*room.Member, n)
	for i := range members {
		members[i] = newMember(strconv.Itoa(i), p)
		r.Add(members[i], nil, silent)
		r.Enter(members[i], []string{"task.1"}, silent)
	}
	buf := make([][]byte, 0, 8)
	return r, func() {
		for _, m := range members {
			m.Outbox.Take(buf, 1<<30)
		}
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(n)+" members", func(b *testing.B) {
			r, write := crowd(n)
			b.ReportAllocs()
			for offset := uint64(0); b.Loop(); {
				offset++
				r.Log(logged(offset, "task.1"))
				if offset%64 == 0 { // as many as an outbox keeps its array for
					b.StopTimer()
					write()
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/member")
		})
	}
}

func BenchmarkNobodyHears(b *testing.B) {
	r, _ := crowd(1)
	b.ReportAllocs()
	for offset := uint64(0); b.Loop(); {
		offset++
		r.Log(logged(offset, "task.2"))
	}
}

func TestAllocationsAnEventDoNotGrowWithMembers(t *testing.T) {
	const slack = 2
	allocs := func(n int) float64 {
		r, write := crowd(n)
		offset := uint64(0)
		tell := func() {
			offset++
			r.Log(logged(offset, "task.1"))
			write()
		}
		tell() // outboxes make their arrays
		return testing.AllocsPerRun(100, tell)
	}
	few, many := allocs(10), allocs(1000)
	if many > few+slack {
		t.Errorf("%v allocations an event with 1,000 members, %v with 10", many, few)
	}
}
