// Package meter is every Prometheus name of presence.
//
// It counts what it is told, and knows nothing of it.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Meter is the figures of all replicas that share a registry.
type Meter struct {
	// Gateways is how many live, as seen by a replica. Replicas in one process
	// add up.
	Gateways prometheus.Gauge

	Users       prometheus.Gauge   // who have a connection, likewise
	Connections prometheus.Gauge   // likewise
	Races       prometheus.Counter // words that another replica told first
	Ended       prometheus.Counter // connections whose end was recorded
	Swept       prometheus.Counter // connections that ended with their gateway

	answers, told *prometheus.CounterVec
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
	gauge := func(name, help string) prometheus.Gauge {
		return obs.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	m.Users = gauge("hubmesh_presence_users", "Users who have a connection, as one replica knows it.")
	m.Connections = gauge("hubmesh_presence_connections", "Connections that have a key, as one replica knows it.")
	m.Races = counter("hubmesh_presence_races_total", "Updates that another replica told first.")
	m.Ended = counter("hubmesh_presence_ended_total", "Connections whose end was recorded in HUB_CLIENTS.")
	m.Swept = counter("hubmesh_presence_swept_total", "Connections that were ended because their gateway's lease had.")
	m.told = obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hubmesh_presence_told_total",
		Help: "Updates told, by change: join, leave or status.",
	}, []string{"change"}))
	// There from the start, so that rates are right.
	for _, endpoint := range []string{"gateways", "report", "room", "users", "count"} {
		m.answers.WithLabelValues(endpoint, "ok")
	}
	for _, change := range []wire.Change{wire.Joined, wire.Left, wire.Changed} {
		m.told.WithLabelValues(string(change))
	}
	return m
}

// Told counts an update that was told.
func (m *Meter) Told(change wire.Change) { m.told.WithLabelValues(string(change)).Inc() }

// Answered counts an answer of endpoint. The result is "ok" or a wire.Code.
func (m *Meter) Answered(endpoint, result string) {
	m.answers.WithLabelValues(endpoint, result).Inc()
}
