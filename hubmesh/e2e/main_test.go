package e2e

import (
	"os"
	"testing"

	"github.com/hubmesh/hubmesh/shared/natstest"
)

// part names, in a process's environment, what it plays in a story of another
// process. Without it the process is the tests themselves.
const part = "E2E_PART"

// TestMain lets stories start this program again as a part of their own.
func TestMain(m *testing.M) {
	natstest.Main()
	if os.Getenv(part) == crowdPart {
		os.Exit(playCrowd(os.Stdin, os.Stdout))
	}
	if os.Getenv(part) == teamPart {
		os.Exit(playTeam(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}
