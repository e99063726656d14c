// Package meter is every Prometheus name of the gateway, each there from the
// start with all its labels, so that a rate has a beginning.
//
// It counts what others tell it and decides nothing. No label holds a user, a
// room or a connection.
package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// Meter is the gateway's metrics. Safe for concurrent use.
type Meter struct {
	In     prometheus.Counter // messages of clients
	Out    prometheus.Counter // messages to clients, once each client
	Thrown prometheus.Counter // signals that a slow client did not get
	Trail  prometheus.Gauge   // offsets of the log whose rooms are known

	Owed      prometheus.Gauge   // connections that stand otherwise than presence has answered
	Forgotten prometheus.Counter // connections that presence will never hear of
	Told      prometheus.Counter // messages to clients of who is here

	open    [2]prometheus.Gauge // the same number under two names
	opened  prometheus.Counter
	errors  *prometheus.CounterVec
	ends    *prometheus.CounterVec
	dropped *prometheus.CounterVec
	asks    *prometheus.CounterVec
	repairs *prometheus.CounterVec
	decided *prometheus.CounterVec
	put     *prometheus.CounterVec
	reports *prometheus.CounterVec
}

// Drop is why something from the bus was dropped.
type Drop string

// The reasons.
const (
	NotJSON Drop = "not_json" // a payload that is no JSON in UTF-8
	NotRoom Drop = "not_room" // a subject that is no room's
	BadName Drop = "bad_name" // an event's name that is none
	BadType Drop = "bad_type" // a content type that is not known
)

// Repair is what became of a part of the log that was not heard in time.
type Repair string

// The repairs.
const (
	Filled   Repair = "filled"   // read back
	Gone     Repair = "gone"     // it could not be read back
	Reset    Repair = "reset"    // another log, or too far behind to be read
	Replayed Repair = "replayed" // read for who came back
)

// Asked is whom a question went to.
type Asked string

// Those who are asked.
const (
	Authz     Asked = "authz"
	Presence  Asked = "presence"
	Ratelimit Asked = "ratelimit"
	Backend   Asked = "backend"
	Log       Asked = "log" // an event of a client's, to be stored
)

// Result is how a question ended.
type Result string

// The results. Open is a silent ratelimit whose messages were let pass.
const (
	OK      Result = "ok"
	Refused Result = "refused"
	Silent  Result = "silent"
	Open    Result = "open"
)

// Decision is where a decision of authz came from.
type Decision string

// The ways of decisions.
const (
	OfOne  Decision = "asked"  // asked for
	Shared Decision = "shared" // of the same question, under way
	Kept   Decision = "kept"   // no change has touched it
)

// Moved is why a connection was taken out of a room, or put into it, without
// its asking.
type Moved string

// The reasons.
const (
	Lost    Moved = "lost"     // the right to be in it
	Kicked  Moved = "kicked"   // by a backend
	PutInto Moved = "put_into" // by a backend
)

// New registers the gateway's metrics.
func New(reg prometheus.Registerer) *Meter {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return obs.Register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return obs.Register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
	}
	messages := counter("ws_messages_total", "Messages of clients (in) and to clients (out).", "direction")
	m := &Meter{
		In:     messages.WithLabelValues("in"),
		Out:    messages.WithLabelValues("out"),
		Thrown: counter("hubmesh_gateway_signals_thrown_total", "Signals that a slow client did not get.").WithLabelValues(),
		Trail:  gauge("hubmesh_gateway_trail_offsets", "Newest offsets of the log whose rooms are known, so that what a room missed is found at once."),
		Owed:   gauge("hubmesh_gateway_owed_connections", "Connections that stand otherwise than presence has answered."),

		Forgotten: counter("hubmesh_gateway_forgotten_total", "Connections that came and went while presence was silent, and that it will never hear of.").WithLabelValues(),
		Told:      counter("hubmesh_gateway_told_total", "Messages to clients of who is here, once each client.").WithLabelValues(),
		open: [2]prometheus.Gauge{
			gauge("ws_connections_total", "Connections open now."),
			gauge("hubmesh_gateway_connections", "Connections open now."),
		},
		opened:  counter("hubmesh_gateway_opened_total", "Connections opened.").WithLabelValues(),
		errors:  counter("ws_connection_errors_total", "Handshakes refused and connections ended by a fault.", "code"),
		ends:    counter("hubmesh_gateway_ends_total", "Connections ended by the gateway.", "reason"),
		dropped: counter("hubmesh_gateway_dropped_total", "Messages of the bus that are no event.", "reason"),
		asks:    counter("hubmesh_gateway_asks_total", "Questions to services, backends and the log.", "asked", "result"),
		repairs: counter("hubmesh_gateway_repaired_total", "Entries of the log that were not heard in time.", "result"),
		decided: counter("hubmesh_gateway_decisions_total", "What users may do in rooms, as authz was asked or had said.", "from"),
		put:     counter("hubmesh_gateway_moved_total", "Connections put into a room or taken out without their asking.", "reason"),
		reports: counter("hubmesh_gateway_reported_total", "Connections reported to presence.", "result"),
	}
	m.begin()
	return m
}

// begin makes every label there is.
func (m *Meter) begin() {
	for _, c := range wire.Codes() {
		m.errors.WithLabelValues(string(c))
	}
	for _, e := range frame.Ends() {
		m.ends.WithLabelValues(e.String())
	}
	for _, d := range []Drop{NotJSON, NotRoom, BadName, BadType} {
		m.dropped.WithLabelValues(string(d))
	}
	for _, r := range []Repair{Filled, Gone, Reset, Replayed} {
		m.repairs.WithLabelValues(string(r))
	}
	for _, a := range []Asked{Authz, Presence, Ratelimit, Backend, Log} {
		for _, r := range []Result{OK, Refused, Silent} {
			m.asks.WithLabelValues(string(a), string(r))
		}
	}
	m.asks.WithLabelValues(string(Ratelimit), string(Open))
	for _, r := range []Result{OK, Refused, Silent} {
		m.reports.WithLabelValues(string(r))
	}
	for _, d := range []Decision{OfOne, Shared, Kept} {
		m.decided.WithLabelValues(string(d))
	}
	for _, why := range []Moved{Lost, Kicked, PutInto} {
		m.put.WithLabelValues(string(why))
	}
}

// Reported counts connections of a report, and what became of them: stored (OK),
// refused for good, or to be reported again (Silent).
func (m *Meter) Reported(r Result, connections int) {
	m.reports.WithLabelValues(string(r)).Add(float64(connections))
}

// Decided counts one answer to a connection about rooms.
func (m *Meter) Decided(from Decision) { m.decided.WithLabelValues(string(from)).Inc() }

// Moved counts a connection that was moved.
func (m *Meter) Moved(why Moved) { m.put.WithLabelValues(string(why)).Inc() }

// Opened counts a connection that was let in by the transport.
func (m *Meter) Opened() {
	m.opened.Inc()
	for _, g := range m.open {
		g.Inc()
	}
}

// Closed counts its end.
func (m *Meter) Closed() {
	for _, g := range m.open {
		g.Dec()
	}
}

// Failed counts a handshake that was refused, or a connection that ended by a
// fault. A code of someone's own authz counts as forbidden, so that labels
// stay few.
func (m *Meter) Failed(code wire.Code) {
	if !code.Known() {
		code = wire.Forbidden
	}
	m.errors.WithLabelValues(string(code)).Inc()
}

// Ended counts a connection that the gateway ended.
func (m *Meter) Ended(e frame.End) {
	m.ends.WithLabelValues(e.String()).Inc()
	switch e {
	case frame.GoingAway, frame.Restart:
	case frame.Unauthorized, frame.Revoked:
		m.Failed(wire.Unauthorized)
	case frame.TooLarge:
		m.Failed(wire.TooLarge)
	case frame.NoHeartbeat:
		m.Failed(wire.Timeout)
	case frame.Flood, frame.TooSlow:
		m.Failed(wire.RateLimited)
	case frame.Protocol, frame.NotUTF8, frame.NoBinary, frame.Abuse:
		m.Failed(wire.Invalid)
	}
}

// Dropped counts a message of the bus that is no event.
func (m *Meter) Dropped(d Drop) { m.dropped.WithLabelValues(string(d)).Inc() }

// Asked counts a question and its answer.
func (m *Meter) Asked(who Asked, r Result) { m.asks.WithLabelValues(string(who), string(r)).Inc() }

// Repaired counts entries of the log.
func (m *Meter) Repaired(r Repair, entries uint64) {
	m.repairs.WithLabelValues(string(r)).Add(float64(entries))
}
