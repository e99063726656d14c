package roster_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// member is one of a million: a connection of a user of its own, in one of
// 1,000 rooms.
func member(i int) (roster.Key, *wire.PresenceRecord) {
	return roster.Key{User: fmt.Sprintf("user-%d", i), Gateway: "g1", Conn: fmt.Sprintf("g1-%d", i)},
		&wire.PresenceRecord{
			Turn: 2, Door: "native", IP: "192.0.2.1", Since: 1700000000000,
			Info: json.RawMessage(fmt.Sprintf(`{"name":"User %d"}`, i)), Rooms: []string{fmt.Sprintf("task:%d", i%1000)},
		}
}

// BenchmarkApply is a new member of a roster that grows to a million, and what
// each takes of memory.
func BenchmarkApply(b *testing.B) {
	const most = 1_000_000
	before := heap()
	r := roster.New()
	for i := 0; b.Loop(); i++ {
		k, rec := member(i % most)
		r.Apply(uint64(i), k, rec)
	}
	_, conns := r.Size()
	b.ReportMetric(float64(heap()-before)/float64(conns), "B/member")
	runtime.KeepAlive(r)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
