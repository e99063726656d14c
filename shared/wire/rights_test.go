package wire_test

import (
	"math"
	"testing"

	"github.com/hubmesh/hubmesh/shared/wire"
)

func TestReadRevocation(t *testing.T) {
	for text, want := range map[string]float64{"1700000000": 1_700_000_000, " 12.5\n": 12.5, "-1": -1, "0": 0} {
		if got, err := wire.ReadRevocation([]byte(text)); err != nil || got != want {
			t.Errorf("ReadRevocation(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "now", "NaN", "2023-11-14", "1 2", "{}"} {
		if got, err := wire.ReadRevocation([]byte(text)); err == nil || !math.IsInf(got, 1) {
			t.Errorf("ReadRevocation(%q) = %v, %v, want an error and after everything", text, got, err)
		}
	}
}
