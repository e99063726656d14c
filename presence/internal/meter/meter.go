// Package meter is every Prometheus name of presence.
//
// It counts what it is told, and knows nothing of it.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/shared/obs"
)

// Meter is the figures of all replicas that share a registry.
type Meter struct {
	// Gateways is how many live, as seen by a replica. Replicas in one process
	// add up.
	Gateways prometheus.Gauge

	answers *prometheus.CounterVec
}

// New registers the figures, or returns those that are registered already.
func New(reg prometheus.Registerer) *Meter {
	m := &Meter{
		Gateways: obs.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hubmesh_presence_gateways",
			Help: "Gateways whose lease is held.",
		})),
		answers: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_presence_answers_total",
			Help: "Questions answered, by endpoint and result: ok or an error's code.",
		}, []string{"endpoint", "result"})),
	}
	m.answers.WithLabelValues("gateways", "ok") // there from the start, so that a rate is right
	return m
}

// Answered counts an answer of endpoint. The result is "ok" or a wire.Code.
func (m *Meter) Answered(endpoint, result string) {
	m.answers.WithLabelValues(endpoint, result).Inc()
}
