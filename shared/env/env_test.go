package env_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
)

func lookup(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func Example() {
	var drain time.Duration
	set := env.New(lookup(map[string]string{"HUBMESH_DRAIN": "10s"}))
	set.Duration(&drain, "HUBMESH_DRAIN", "30s", "graceful shutdown budget")
	if err := set.Parse(); err != nil || drain != 10*time.Second {
		return
	}
	set.Usage(os.Stdout)
	// Output:
	//   HUBMESH_DRAIN (default: 30s)
	//       graceful shutdown budget
}

func TestAVariableBoundTwiceIsReadTwiceAndToldOnce(t *testing.T) {
	var a, b int
	bind := func(value string) *env.Set {
		set := env.New(lookup(map[string]string{"HUBMESH_N": value}))
		set.Int(&a, "HUBMESH_N", "1", "a number", 1, 9)
		set.Int(&b, "HUBMESH_N", "1", "a number", 1, 9)
		return set
	}
	set := bind("3")
	if err := set.Parse(); err != nil || a != 3 || b != 3 {
		t.Errorf("got %d, %d, %v; want 3, 3, nil", a, b, err)
	}
	var usage strings.Builder
	set.Usage(&usage)
	if n := strings.Count(usage.String(), "HUBMESH_N"); n != 1 {
		t.Errorf("usage names it %d times, want once:\n%s", n, usage.String())
	}
	if err := bind("x").Parse(); err == nil || strings.Count(err.Error(), "HUBMESH_N") != 1 {
		t.Errorf("a faulty one: got %v, want one fault", err)
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	var (
		n     int
		d     time.Duration
		bytes int64
		word  string
	)
	set := env.New(lookup(map[string]string{"A": "0", "B": "-1s", "C": "1XB", "D": "maybe", "E": "short"}))
	set.Int(&n, "A", "1", "", 1, 9)
	set.Duration(&d, "B", "1s", "")
	set.Bytes(&bytes, "C", "1KiB", "")
	set.OneOf(&word, "D", "on", "", "on", "off")
	set.Secret(&word, "E", "", 32)
	err := set.Parse()
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Fatalf("five faults: got %v, want five lines", err)
	}
	if strings.Contains(err.Error(), "short\"") {
		t.Errorf("%v shows a secret", err)
	}
}
