// Package meter is every Prometheus name of ratelimit.
//
// It counts what it is told, and knows nothing of it. How many questions came
// and how long answers took is told by NATS's own micro statistics.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/shared/obs"
)

// Result is what became of an ask.
type Result string

// The results.
const (
	Granted     Result = "granted"
	Over        Result = "over"        // the bucket had too little
	Invalid     Result = "invalid"     // the ask was none
	Unavailable Result = "unavailable" // the bucket could not be read or written
)

// Meter is the figures of all replicas that share a registry. Safe for
// concurrent use.
type Meter struct {
	takes *prometheus.CounterVec

	// Races counts writes that another replica was ahead of, and that were
	// tried again.
	Races prometheus.Counter
}

// New registers the figures, or returns those that are registered already.
// Every result is there from the start, at zero.
func New(reg prometheus.Registerer) *Meter {
	m := &Meter{
		takes: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_ratelimit_takes_total",
			Help: "Asks for tokens, by result.",
		}, []string{"result"})),
		Races: obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hubmesh_ratelimit_races_total",
			Help: "Writes of a bucket that another replica was ahead of.",
		})),
	}
	for _, r := range []Result{Granted, Over, Invalid, Unavailable} {
		m.takes.WithLabelValues(string(r))
	}
	return m
}

// Take counts an ask.
func (m *Meter) Take(r Result) { m.takes.WithLabelValues(string(r)).Inc() }
