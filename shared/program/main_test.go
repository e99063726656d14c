package program_test

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/program"
)

// child is this test's binary as the program of service.
func child(t *testing.T, args []string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{asProgram + "=1"}, env...)
	return cmd
}

func TestASignalEndsAProgramWithZero(t *testing.T) {
	s := natstest.Server(t, listening)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := child(t, nil, "HUBMESH_NATS_URL="+s.ClientURL())
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		log := lines{t, bufio.NewScanner(stderr)}
		log.until("program: serves")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		log.until("program: ended")
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v it ended with %v, want status 0", sig, err)
		}
	}
}

func TestAFaultEndsAProgramWithTwo(t *testing.T) {
	cmd := child(t, nil, "HUBMESH_LOG=loud")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != program.Usage {
		t.Errorf("it ended with %v and said %s, want status %d", err, out, program.Usage)
	}
}
