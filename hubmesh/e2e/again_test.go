package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
)

// end stops everything, as a person would who stops hubmesh.
func (h *house) end() {
	h.t.Helper()
	h.nc.Close() // in vain it would look for the server at its port
	h.stop()
}

// logFolder is where the NATS server of a mesh keeps the log.
func logFolder(cfg mesh.Config) string {
	return filepath.Join(cfg.Dir, "nats", "jetstream", "$G", "streams", stream)
}

// replaceFolder makes a folder a copy of another.
func replaceFolder(t testing.TB, folder, by string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(folder, os.DirFS(by)); err != nil {
		t.Fatal(err)
	}
}

// TestNoPositionSurvivesALogThatLostItsEndWhileAllWasStopped has offsets come
// again under a client that had heard others there.
func TestNoPositionSurvivesALogThatLostItsEndWhileAllWasStopped(t *testing.T) {
	stories := map[string]func(t *testing.T, cfg mesh.Config){
		"after a clean stop": func(*testing.T, mesh.Config) {},
		"after a power loss": func(t *testing.T, cfg mesh.Config) {
			if err := os.WriteFile(filepath.Join(cfg.Dir, "RUNNING"), []byte("another boot"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, stop := range stories {
		t.Run(name, func(t *testing.T) {
			cfg, saved := config(t), t.TempDir()
			h := open(t, cfg)
			h.events("task:42", 10)
			h.end()
			replaceFolder(t, saved, logFolder(cfg))

			h = open(t, cfg)
			was := h.log()
			c := dial(t, h.mesh.Gateways()[0], "ann")
			in := enter(t, c, hub.Room{Room: "task:42", Since: h.at(0)})
			answered(t, in, 10)
			h.events("task:42", 10)
			for range 20 {
				hear(t, c)
			}
			h.end()
			replaceFolder(t, logFolder(cfg), saved)
			stop(t, cfg)

			h = open(t, cfg)
			if now := h.log(); was.Last != 10 || now.Last != 10 {
				t.Fatalf("the log ends at %d, and before at %d; want 10", now.Last, was.Last)
			}
			h.voidBefore(t, in.Epoch, 20)
			all := h.events("task:42", 30) // over the same numbers
			h.voidBefore(t, in.Epoch, 20)
			h.goesOn(t, in.Epoch, append(h.between("task:42", 0, 10), all...))
		})
	}
}

// voidBefore fails unless nothing is recovered from positions of an epoch, up
// to last and behind it, on a gateway that was here and on one that starts now.
func (h *house) voidBefore(t *testing.T, epoch string, last uint64) {
	t.Helper()
	for where, g := range map[string]*gateway.Server{"there": h.mesh.Gateways()[0], "elsewhere": h.newborn()} {
		for _, offset := range []uint64{0, last / 4, last / 2, last - 1, last, last + 1} {
			since := hub.Position{Epoch: epoch, Offset: offset}
			c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, "ann"), Since: since})
			if err != nil {
				t.Fatal(err)
			}
			if hello := c.Connected(); hello.Recovered == nil || *hello.Recovered || hello.Missed != 0 {
				t.Errorf("%s: greeted from %v with %+v, want nothing recovered", where, since, hello)
			}
			answered(t, enter(t, c, hub.Room{Room: "task:42", Since: &since}), -1)
			if err := c.Cut(); err != nil {
				t.Error(err)
			}
		}
	}
}

// goesOn fails unless the room's past is just these events, under another
// epoch than before, and positions in it are good.
func (h *house) goesOn(t *testing.T, before string, all []uint64) {
	t.Helper()
	c := dial(t, h.mesh.Gateways()[0], "ann")
	p, err := past(t.Context(), c, "task:42", 0, 200)
	if err != nil || p.Epoch == before || p.More {
		t.Fatalf("the past is of epoch %s, as before: %s; more %v, %v", p.Epoch, before, p.More, err)
	}
	answered(t, enter(t, c, hub.Room{Room: "task:42", Since: &hub.Position{Epoch: p.Epoch, Offset: all[0]}}), len(all)-1)
	heardExactly(t, c, "task:42", all[1:])
	heardExactly(t, c, "task:42", h.events("task:42", 3))
	if got := p.offsets(); len(got) != len(all) || got[0] != all[0] || got[len(got)-1] != all[len(all)-1] {
		t.Errorf("the past holds %v, want %v", got, all)
	}
}

func TestPositionsSurviveAStopOfEverything(t *testing.T) {
	cfg := config(t)
	h := open(t, cfg)
	all := h.events("task:42", 10)
	epoch := h.log().Epoch
	h.end()
	h = open(t, cfg)
	all = append(all, h.events("task:42", 5)...)
	c := dial(t, h.mesh.Gateways()[0], "ann")
	answered(t, enter(t, c, hub.Room{Room: "task:42", Since: &hub.Position{Epoch: epoch, Offset: all[3]}}), 11)
	heardExactly(t, c, "task:42", all[4:])
}

// TestWhatIsChangedWhileAllIsStoppedMakesPositionsVoid changes it as an
// operator would: by another configuration, or by deleting the log.
func TestWhatIsChangedWhileAllIsStoppedMakesPositionsVoid(t *testing.T) {
	stories := map[string]func(t *testing.T, cfg *mesh.Config){
		"more is kept": func(_ *testing.T, cfg *mesh.Config) { cfg.Store.EventMaxPerRoom *= 2 },
		"the log is made anew": func(t *testing.T, cfg *mesh.Config) {
			if err := os.RemoveAll(logFolder(*cfg)); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, change := range stories {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			h := open(t, cfg)
			c := dial(t, h.mesh.Gateways()[0], "ann")
			epoch := enter(t, c, hub.Room{Room: "task:42"}).Epoch
			last := h.events("task:42", 10)[9]
			h.end()
			change(t, &cfg)
			h = open(t, cfg)
			h.voidBefore(t, epoch, last)
			h.events("task:42", 20)
			h.voidBefore(t, epoch, last)
			h.goesOn(t, epoch, h.between("task:42", 0, h.log().Last))
		})
	}
}
