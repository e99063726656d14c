package relation_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/hubmesh/hubmesh/authz/internal/relation"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// company is keys of 200,000 facts: 20,000 users in 500 teams (two each),
// 10,000 projects of teams, 150,000 tasks of projects.
func company() (keys []string) {
	for i := range 20_000 {
		keys = append(keys, fmt.Sprintf("team.t%d.member.user.user-%d", i%500, i), fmt.Sprintf("team.t%d.member.user.user-%d", (i+7)%500, i))
	}
	for i := range 10_000 {
		keys = append(keys, fmt.Sprintf("project.p%d.parent.team.t%d", i, i%500))
	}
	for i := range 150_000 {
		keys = append(keys, fmt.Sprintf("task.%d.parent.project.p%d", i, i%10_000))
	}
	return keys
}

func load(tb testing.TB, keys []string) *relation.Graph {
	tb.Helper()
	g := new(relation.Graph)
	for _, key := range keys {
		g.Add(fact(tb, key))
	}
	return g
}

// BenchmarkLoad reads 200,000 keys, and tells what one costs in memory.
func BenchmarkLoad(b *testing.B) {
	keys := company()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var g *relation.Graph
	for b.Loop() {
		g = load(b, keys)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(g.Len()), "B/relation")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/relation")
	runtime.KeepAlive(g)
}

func BenchmarkMember(b *testing.B) {
	g := load(b, company())
	task := subject.Room{Type: "task", ID: "14242"}
	for _, user := range []string{"user-242", "user-243"} { // a member by the team, and none
		b.Run(fmt.Sprint(g.Member(user, task)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.Member(user, task)
			}
		})
	}
}
