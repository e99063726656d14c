package datadir_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
)

// holdEnv makes the test binary hold the folder that it names until it is
// killed.
const holdEnv = "DATADIR_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		d, err := datadir.Open(path, "boot-1")
		if err == nil {
			err = d.Begin()
		}
		fmt.Println("held", err)
		select {}
	}
	os.Exit(m.Run())
}

func open(t testing.TB, path, boot string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path, boot)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestASecondOpenIsRefusedInPlainWords(t *testing.T) {
	path := t.TempDir()
	first := open(t, path, "boot-1")
	_, err := datadir.Open(path, "boot-1")
	var used *datadir.InUse
	if !errors.As(err, &used) {
		t.Fatalf("second Open: %v, want an *InUse", err)
	}
	if who := strconv.Itoa(os.Getpid()); runtime.GOOS != "windows" && used.Process != who {
		t.Errorf("second Open: used by process %q, want %s", used.Process, who)
	}
	check(t, "Close", first.Close())
	check(t, "Close", open(t, path, "boot-1").Close())
}

func TestAKilledHolderLetsGo(t *testing.T) {
	path := t.TempDir()
	holder := exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), holdEnv+"="+path)
	out, err := holder.StdoutPipe()
	check(t, "pipe", err)
	check(t, "start", holder.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held <nil>\n" {
		t.Fatalf("holder said %q, %v", line, err)
	}
	var used *datadir.InUse
	if _, err := datadir.Open(path, "boot-1"); !errors.As(err, &used) {
		t.Errorf("Open while another process holds it: %v, want an *InUse", err)
	}
	check(t, "kill", holder.Process.Kill())
	if err := holder.Wait(); err == nil {
		t.Error("a killed process ended well")
	}
	d := open(t, path, "boot-1")
	if lost, err := d.Lost(); lost || err != nil {
		t.Errorf("Lost after a kill = %v, %v, want false: the machine runs on", lost, err)
	}
	check(t, "Close", d.Close())
}

func TestWhenTheEndMayBeLost(t *testing.T) {
	stories := map[string]struct {
		begun, ended bool
		was, is      string
		want         bool
	}{
		"a new folder":                         {false, false, "", "boot-1", false},
		"killed, the machine ran on":           {true, false, "boot-1", "boot-1", false},
		"the machine went down":                {true, false, "boot-1", "boot-2", true},
		"the machine went down after a stop":   {true, true, "boot-1", "boot-2", false},
		"killed where starts are not known":    {true, false, "", "", true},
		"stopped where starts are not known":   {true, true, "", "", false},
		"known then, and not known any longer": {true, false, "boot-1", "", true},
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d := open(t, path, s.was)
			if s.begun {
				check(t, "Begin", d.Begin())
			}
			if s.ended {
				check(t, "End", d.End())
			}
			check(t, "Close", d.Close())
			d = open(t, path, s.is)
			check(t, "End of one that did not begin", d.End())
			check(t, "Close", d.Close())
			d = open(t, path, s.is)
			if got, err := d.Lost(); got != s.want || err != nil {
				t.Errorf("Lost = %v, %v, want %v", got, err, s.want)
			}
			check(t, "Begin", d.Begin())
			if got, err := d.Lost(); got != (s.is == "") || err != nil {
				t.Errorf("Lost after Begin = %v, %v", got, err)
			}
			check(t, "Close", d.Close())
		})
	}
}

func TestASecretIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	if _, err := datadir.Secret(path); !errors.Is(err, datadir.ErrNoSecret) {
		t.Errorf("Secret of a folder without: %v, want ErrNoSecret", err)
	}
	const makers = 20
	got := make([]string, makers)
	var wg sync.WaitGroup
	for i := range makers {
		wg.Go(func() {
			var err error
			if got[i], err = datadir.MakeSecret(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] || len(s) < 32 {
			t.Fatalf("secrets of %d bytes and %d bytes differ or are short", len(s), len(got[0]))
		}
	}
	files, err := os.ReadDir(path)
	check(t, "ReadDir", err)
	if len(files) != 1 {
		t.Errorf("files left behind: %v", files)
	}
	info, err := files[0].Info()
	check(t, "Info", err)
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("mode of the secret = %o, want 600", mode)
	}
}

func TestAShortSecretIsRefusedAndNotShown(t *testing.T) {
	path := t.TempDir()
	check(t, "write", os.WriteFile(filepath.Join(path, "jwt-secret"), []byte("hunter2\n"), 0o600))
	for _, read := range []func(string) (string, error){datadir.Secret, datadir.MakeSecret} {
		_, err := read(path)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret of 7 bytes: %v, want an error that does not show it", err)
		}
	}
}

func TestTheSystemTellsItsStart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	if a, b := datadir.Boot(), datadir.Boot(); a == "" || a != b {
		t.Errorf("Boot = %q, then %q", a, b)
	}
}

func ExampleOpen() {
	path, err := os.MkdirTemp("", "hubmesh")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(path) //nolint:errcheck // a folder of the system's for such
	d, err := datadir.Open(path, datadir.Boot())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = datadir.Open(path, datadir.Boot())
	var used *datadir.InUse
	fmt.Println(errors.As(err, &used))
	fmt.Println(d.Close())
	// Output:
	// true
	// <nil>
}

func TestALogThatIsNotWhereItWasLeftHasFallen(t *testing.T) {
	left := datadir.Log{Epoch: "a", Last: 20}
	stories := map[string]struct {
		now  datadir.Log
		want bool
	}{
		"where it was left":      {left, false},
		"others wrote more":      {datadir.Log{Epoch: "a", Last: 21}, false},
		"its end is gone":        {datadir.Log{Epoch: "a", Last: 19}, true},
		"it is empty":            {datadir.Log{Epoch: "a"}, true},
		"it is of another epoch": {datadir.Log{Epoch: "b", Last: 30}, true},
	}
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d := open(t, path, "boot-1")
			if got, err := d.Fell(s.now); got || err != nil {
				t.Errorf("Fell in a new folder = %v, %v, want false", got, err)
			}
			check(t, "Leave", d.Leave(datadir.Log{Epoch: "older", Last: 1}))
			check(t, "Leave", d.Leave(left))
			check(t, "Close", d.Close())
			d = open(t, path, "boot-1")
			if got, err := d.Fell(s.now); got != s.want || err != nil {
				t.Errorf("Fell(%+v) = %v, %v, want %v", s.now, got, err, s.want)
			}
			check(t, "Close", d.Close())
		})
	}
}
