package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// replica is one presence of a story's own, which can be killed.
type replica struct {
	nc     *nats.Conn
	kit    obs.Kit
	cancel context.CancelFunc
	served chan error
}

// replica starts one more presence. It ends with the test, before the mesh.
func (h *house) replica(cfg presence.Config) *replica {
	h.t.Helper()
	log := slog.New(slog.DiscardHandler)
	nc, err := natsconn.Open(h.mesh.Login(subject.Presence), subject.Presence, log)
	if err != nil {
		h.t.Fatal(err)
	}
	r := &replica{nc: nc, kit: obs.Kit{Log: log, Registry: obs.NewRegistry()}, served: make(chan error, 1)}
	server, err := presence.Listen(h.t.Context(), cfg, nc, r.kit)
	if err != nil {
		nc.Close()
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	r.cancel = cancel
	go func() { r.served <- server.Serve(ctx) }()
	h.t.Cleanup(r.kill)
	return r
}

// kill ends it as SIGKILL does: it says no word more.
func (r *replica) kill() {
	if r.nc.IsClosed() {
		return
	}
	r.nc.Close()
	r.cancel()
	<-r.served //nolint:errcheck // its connection is gone
}

// answers is how many answers of an endpoint it has given; one that does not
// live gives none.
func (r *replica) answers(endpoint string) (n float64) {
	if r == nil {
		return 0
	}
	return metric(r.kit, "hubmesh_presence_answers_total", endpoint)
}

// metric is the sum of a metric, of those series that have a label of a value;
// without a value, of all.
func metric(kit obs.Kit, name, label string) (sum float64) {
	families, err := kit.Registry.Gather()
	if err != nil {
		panic(err) // of our own metrics
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := label == ""
			for _, l := range m.GetLabel() {
				has = has || l.GetValue() == label
			}
			if has {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// witness hears every word of presence, on a connection that nobody cuts.
type witness struct {
	mu    sync.Mutex // guards all below
	words []word
	last  uint64 // in the log
	lacks bool   // some were never heard
}

// listen has the witness hear what is told in a house from now on.
func (w *witness) listen(h *house) {
	h.t.Helper()
	f, err := follow.Listen(h.t.Context(), h.nc, follow.Config{
		Stream: subject.Tree{}.Stream(subject.Tellings), Heard: subject.Tree{}.ToldAll(), Silence: 200 * time.Millisecond,
	}, w, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	_, w.last = f.Position()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx) }()
	h.t.Cleanup(func() { cancel(); <-served }) //nolint:errcheck // the story is over
}

// Entry takes a word.
func (w *witness) Entry(e follow.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lacks = w.lacks || e.Seq != w.last+1
	w.last = e.Seq
	var m wire.PresenceTold
	if len(e.Data) > 0 && json.Unmarshal(e.Data, &m) == nil {
		w.words = append(w.words, word{m.Room, m.User, string(m.Change), face{m.Status, m.Text}})
	}
}

// Gone says that words are gone which the newer ones replace.
func (w *witness) Gone(_, to uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.lacks = to, true
}

// Reset says that there is another log, which no story makes.
func (w *witness) Reset(_ string, last uint64, _ follow.Why) { w.Gone(0, last) }

// Page does not wait.
func (w *witness) Page(context.Context) {}

// of is the words that are some users', who begin alike.
func (w *witness) of(prefix string) (words []word, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	words = slices.DeleteFunc(slices.Clone(w.words), func(one word) bool { return !strings.HasPrefix(one.user, prefix) })
	return words, !w.lacks
}

// caughtUp returns when the witness has heard all that is told now.
func (w *witness) caughtUp(h *house) {
	h.t.Helper()
	reader := follow.NewReader(h.nc, follow.Config{Stream: subject.Tree{}.Stream(subject.Tellings)})
	st := h.state(reader)
	until(h.t, patience, func() uint64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.last
	}, func(last uint64) bool { return last >= st.Last })
}

// state asks a stream until it answers: a machine that is busy may be late.
func (h *house) state(reader *follow.Reader) (st follow.State) {
	h.t.Helper()
	until(h.t, patience, func() (err error) {
		st, err = reader.State(h.t.Context())
		return err
	}, func(err error) bool { return err == nil })
	return st
}

// parlour is a house in which schedules of presence happen: two gateways that
// can be killed, one that can be cut off, and two replicas of presence.
type parlour struct {
	*house
	t     testing.TB
	cfg   mesh.Config
	nodes *natstest.Nodes // nil: one server, that nobody leads
	proof time.Duration   // of replicas, that NATS takes writes

	steady   []*gateway.Server
	cut      *gateway.Server
	wire     *natstest.Wire
	isCut    bool
	outlast  bool // it is cut for longer than its lease
	replicas [2]*replica
	witness  *witness
}

func newParlour(t testing.TB, cfg mesh.Config, nodes *natstest.Nodes, proof time.Duration) *parlour {
	t.Helper()
	cfg.Gateways, cfg.Without = 2, []string{subject.Presence}
	p := &parlour{t: t, cfg: cfg, nodes: nodes, witness: &witness{}, proof: proof}
	p.begin()
	return p
}

// begin opens the house and everything in it.
func (p *parlour) begin() {
	p.t.Helper()
	p.house = open(p.t, p.cfg)
	p.steady = p.mesh.Gateways()
	p.cut, p.wire = p.addCuttable()
	p.witness.listen(p.house)
	for i := range p.replicas {
		p.replicas[i] = p.newReplica()
	}
}

// newReplica starts one more presence.
func (p *parlour) newReplica() *replica {
	p.t.Helper()
	return p.replica(presence.Config{Proof: p.proof, Follow: follow.Config{Silence: 200 * time.Millisecond}})
}

// restart stops everything, well or by killing it, and begins anew with what is
// on disk.
func (p *parlour) restart(well bool) {
	p.t.Helper()
	p.mend()
	if !well {
		for _, g := range append(p.steady, p.cut) {
			p.mesh.Kill(g)
		}
	}
	for _, r := range p.replicas {
		if r != nil {
			r.kill()
		}
	}
	p.witness.caughtUp(p.house)
	p.end()
	p.begin()
}

// places is all gateways.
func (p *parlour) places() []*gateway.Server { return append(slices.Clone(p.steady), p.cut) }

// mend lets the gateway through that was cut off. If it is to outlast its
// lease, that is waited for.
func (p *parlour) mend() {
	p.t.Helper()
	if !p.isCut {
		return
	}
	if p.outlast {
		until(p.t, patience, p.cutLives, func(alive bool) bool { return !alive })
	}
	p.isCut = false
	p.wire.Mend()
}

// cutLives reports whether the lease of the gateway that is cut off stands.
func (p *parlour) cutLives() bool {
	kv, err := p.js.KeyValue(p.t.Context(), subject.Tree{}.Bucket(subject.Gateways))
	if err != nil {
		return true // NATS is busy: nobody knows
	}
	_, err = kv.Get(p.t.Context(), p.cut.ID())
	return err == nil
}

// marks reads HUB_CLIENTS: what is recorded of each connection of some users,
// who begin alike, and whose it is.
func (h *house) marks(prefix string) (marks map[string][]mark, users map[string]string) {
	h.t.Helper()
	marks, users = map[string][]mark{}, map[string]string{}
	reader := follow.NewReader(h.nc, follow.Config{Stream: subject.Tree{}.Stream(subject.Clients)})
	st := h.state(reader)
	for at := uint64(0); at < st.Last; {
		page, err := reader.Read(h.t.Context(), st.Epoch, "", at, st.Last)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			at = e.Seq
			var c wire.ClientRecord
			if err := json.Unmarshal(e.Data, &c); err != nil {
				h.t.Fatal(err)
			}
			if !strings.HasPrefix(c.User, prefix) {
				continue
			}
			m := begins
			switch {
			case e.Subject == subject.Tree{}.Client(subject.Disconnected):
				m = ends
			case c.Again:
				m = holds
			}
			marks[c.Connection], users[c.Connection] = append(marks[c.Connection], m), c.User
		}
	}
	return marks, users
}
