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

// Meter is the figures of all replicas that share a registry. Safe for
// concurrent use.
type Meter struct {
	connects *prometheus.CounterVec
	rooms    *prometheus.CounterVec
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
	}
	for _, result := range []string{Allowed, string(wire.Unauthorized), string(wire.TokenExpired)} {
		m.connects.WithLabelValues(result)
	}
	for _, result := range []string{Allowed, string(wire.Forbidden), string(wire.Invalid)} {
		m.rooms.WithLabelValues(result)
	}
	return m
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
