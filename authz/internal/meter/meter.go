// Package meter is every Prometheus name of authz.
//
// It counts what it is told, and knows nothing of it. How many questions came
// and how long answers took is told by NATS's own micro statistics.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Allowed is the result beside the codes of what is refused.
const Allowed = "allowed"

// Results of readings.
const (
	readWell  = "ok"
	readBadly = "failed"
)

// Results of questions whom changes concern.
const (
	Some     = "some"
	Everyone = "everyone"
)

// Meter is the figures of all replicas that share a registry. Safe for
// concurrent use.
type Meter struct {
	connects *prometheus.CounterVec
	rooms    *prometheus.CounterVec
	touched  *prometheus.CounterVec
	keys     *prometheus.CounterVec

	Relations prometheus.Gauge   // facts in memory, of all replicas
	Refused   prometheus.Counter // values of buckets that could not be read
	Faults    prometheus.Counter // decisions in which a rule could not be worked out
}

// New registers the figures, or returns those that are registered already.
// Every result is there from the start, at zero.
func New(reg prometheus.Registerer) *Meter {
	m := &Meter{
		connects: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_authz_connects_total",
			Help: "Tokens that were judged, by result.",
		}, []string{"result"})),
		rooms: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_authz_rooms_total",
			Help: "Rooms that rights were asked for, by result.",
		}, []string{"result"})),
		touched: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_authz_touched_total",
			Help: "Questions whom changes concern, by whether some were named or everyone.",
		}, []string{"result"})),
		keys: obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hubmesh_authz_key_reads_total",
			Help: "Readings of the issuer's published keys, by result.",
		}, []string{"result"})),
		Relations: obs.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hubmesh_authz_relations_facts",
			Help: "Relations that are held in memory.",
		})),
		Refused: obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hubmesh_authz_refused_total",
			Help: "Values of policy, relations and revocations that were refused, as they cannot be read. The log says which.",
		})),
		Faults: obs.Register(reg, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hubmesh_authz_rule_faults_total",
			Help: "Decisions in which a rule could not be worked out, and so denied.",
		})),
	}
	for _, result := range []string{Allowed, string(wire.Unauthorized), string(wire.TokenExpired)} {
		m.connects.WithLabelValues(result)
	}
	for _, result := range []string{Allowed, string(wire.Forbidden), string(wire.Invalid)} {
		m.rooms.WithLabelValues(result)
	}
	for _, result := range []string{Some, Everyone} {
		m.touched.WithLabelValues(result)
	}
	for _, result := range []string{readWell, readBadly} {
		m.keys.WithLabelValues(result)
	}
	return m
}

// Key counts a reading of the issuer's keys.
func (m *Meter) Key(read bool) {
	if read {
		m.keys.WithLabelValues(readWell).Inc()
		return
	}
	m.keys.WithLabelValues(readBadly).Inc()
}

// Touched counts a question whom changes concern.
func (m *Meter) Touched(all bool) {
	if all {
		m.touched.WithLabelValues(Everyone).Inc()
		return
	}
	m.touched.WithLabelValues(Some).Inc()
}

// Connect counts a token. No code means it was believed.
func (m *Meter) Connect(code wire.Code) { m.connects.WithLabelValues(result(code)).Inc() }

// Room counts a room. No code means that something in it is allowed.
func (m *Meter) Room(code wire.Code) { m.rooms.WithLabelValues(result(code)).Inc() }

func result(code wire.Code) string {
	if code == "" {
		return Allowed
	}
	return string(code)
}
