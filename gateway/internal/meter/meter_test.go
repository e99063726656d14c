package meter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/meter"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// figures is every series of a registry with its value, as name{label values}.
func figures(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			all[fmt.Sprintf("%s{%s}", f.GetName(), strings.Join(labels, ","))] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// TestEverySeriesIsThereFromTheStart, so that a rate has a beginning.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := meter.New(reg)
	before := figures(t, reg)
	for name, value := range before {
		if value != 0 {
			t.Errorf("%s begins with %v", name, value)
		}
	}
	m.In.Inc()
	m.Out.Inc()
	m.Thrown.Inc()
	m.Trail.Inc()
	m.Opened()
	for _, c := range wire.Codes() {
		m.Failed(c)
	}
	for _, e := range frame.Ends() {
		m.Ended(e)
	}
	for _, d := range []meter.Drop{meter.NotJSON, meter.NotRoom, meter.BadName, meter.BadType} {
		m.Dropped(d)
	}
	for _, r := range []meter.Repair{meter.Filled, meter.Gone, meter.Reset, meter.Replayed} {
		m.Repaired(r, 2)
	}
	for _, who := range []meter.Asked{meter.Authz, meter.Presence, meter.Ratelimit, meter.Backend, meter.Log} {
		for _, r := range []meter.Result{meter.OK, meter.Refused, meter.Silent} {
			m.Asked(who, r)
		}
	}
	m.Asked(meter.Ratelimit, meter.Open)
	for _, from := range []meter.Decision{meter.OfOne, meter.Shared, meter.Kept} {
		m.Decided(from)
	}
	for _, why := range []meter.Moved{meter.Lost, meter.Kicked, meter.PutInto} {
		m.Moved(why)
	}
	for _, r := range []meter.Result{meter.OK, meter.Refused, meter.Silent} {
		m.Reported(r, 1)
	}
	m.Owed.Inc()
	m.Forgotten.Inc()
	m.Told.Inc()
	after := figures(t, reg)
	if len(after) != len(before) {
		t.Errorf("%d series at the start, %d at the end", len(before), len(after))
	}
	for name, value := range after {
		if value == 0 {
			t.Errorf("%s counts nothing", name)
		}
	}
}

// TestGatewaysShareARegistry, as several in one process do.
func TestGatewaysShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	one, two := meter.New(reg), meter.New(reg)
	one.Opened()
	two.Opened()
	one.Closed()
	one.Opened()
	for _, name := range []string{"ws_connections_total{}", "hubmesh_gateway_connections{}"} {
		if got := figures(t, reg)[name]; got != 2 {
			t.Errorf("%s = %v, want 2", name, got)
		}
	}
	if got := figures(t, reg)["hubmesh_gateway_opened_total{}"]; got != 3 {
		t.Errorf("opened %v, want 3", got)
	}
}

func TestAnEndThatIsAFaultIsAnError(t *testing.T) {
	noFault := []frame.End{frame.GoingAway, frame.Restart}
	for _, e := range frame.Ends() {
		reg := prometheus.NewRegistry()
		meter.New(reg).Ended(e)
		errors := 0.0
		for name, value := range figures(t, reg) {
			if strings.HasPrefix(name, "ws_connection_errors_total") {
				errors += value
			}
		}
		want := 1.0
		if slices.Contains(noFault, e) {
			want = 0
		}
		if errors != want {
			t.Errorf("%v counts as %v errors, want %v", e, errors, want)
		}
	}
}

// TestACodeOfSomeonesOwnMakesNoLabel: an authz of the user's may say any.
func TestACodeOfSomeonesOwnMakesNoLabel(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := meter.New(reg)
	before := len(figures(t, reg))
	m.Failed("out_of_stock")
	after := figures(t, reg)
	if len(after) != before || after["ws_connection_errors_total{forbidden}"] != 1 {
		t.Errorf("%d series after %d, %v forbidden; want one more of these", len(after), before, after["ws_connection_errors_total{forbidden}"])
	}
}
