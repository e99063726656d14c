package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// team is clients that are each in one task's room because of a relation, told
// to a process of their own as JSON.
type team struct {
	URLs   []string // of gateways, among whom they are spread
	Name   string   // of users and rooms: red1 is in task:red-1, of so many rooms
	Count  int
	AtOnce int // that are on their way in
	Rooms  int
}

// left is when the members of a team were put out, as unix microseconds.
type left struct{ First, Last int64 }

// enters has all enter, and returns them.
func (m team) enters(ctx context.Context) ([]*hub.Client, error) {
	turn := make(chan int, m.Count)
	for i := range m.Count {
		turn <- i
	}
	close(turn)
	clients, errs := make([]*hub.Client, m.Count), make([]error, m.Count)
	var wg sync.WaitGroup
	for range m.AtOnce {
		wg.Go(func() {
			for i := range turn {
				clients[i], errs[i] = m.one(ctx, i)
			}
		})
	}
	wg.Wait()
	return clients, errors.Join(errs...)
}

func (m team) one(ctx context.Context, i int) (*hub.Client, error) {
	user := fmt.Sprintf("%s%d", m.Name, i)
	tok, err := authz.Mint(secret, user, nil, time.Hour, time.Now())
	if err != nil {
		return nil, err
	}
	c, err := hub.Dial(ctx, hub.Config{URL: m.URLs[i%len(m.URLs)], Token: tok, Unread: 4})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", user, err)
	}
	in, err := c.Subscribe(ctx, hub.Room{Room: fmt.Sprintf("task:%s-%d", m.Name, i%m.Rooms)})
	if err != nil || len(in.Rooms) != 1 {
		return c, fmt.Errorf("%s: entered %+v: %w", user, in, err)
	}
	return c, nil
}

// putOut waits until each was put out of its room.
func (m team) putOut(clients []*hub.Client) (when left, err error) {
	at := make(chan int64, len(clients))
	for _, c := range clients {
		go func() {
			for e := range c.Events() {
				if e.Event == "room:left" {
					at <- time.Now().UnixMicro()
					return
				}
			}
			at <- 0
		}()
	}
	for range clients {
		t := <-at
		if t == 0 {
			err = errors.New("a connection ended")
			continue
		}
		when.Last = max(when.Last, t)
		if when.First == 0 || t < when.First {
			when.First = t
		}
	}
	return when, err
}

// teamPart is a process that plays a team: it reads which, says ready when all
// are in, and tells when all were put out.
const teamPart = "team"

func playTeam(in io.Reader, out io.Writer) (status int) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // this is the process's main
	defer cancel()
	say, hear := json.NewEncoder(out), json.NewDecoder(in)
	var m team
	if hear.Decode(&m) != nil {
		return 1 // the story has ended
	}
	clients, err := m.enters(ctx)
	word := "ready"
	if err != nil {
		word = err.Error()
	}
	if say.Encode(word) != nil || err != nil {
		return 1
	}
	when, err := m.putOut(clients)
	if err != nil || say.Encode(when) != nil {
		return 1
	}
	_ = hear.Decode(&word) // its end is what is waited for
	return 0
}

// relate writes facts: team.red.member.user.ann.
func (h *house) relate(facts ...string) {
	h.t.Helper()
	kv, err := h.js.KeyValue(h.t.Context(), "HUB_RELATIONS")
	for _, f := range facts {
		if err == nil {
			_, err = kv.Put(h.t.Context(), f, nil)
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestOneRelationPutsOutAllWhomItConcerns ends the relation by which a team is
// a member of a project, and with it of the tasks below.
func TestOneRelationPutsOutAllWhomItConcerns(t *testing.T) {
	cfg := config(t)
	cfg.Gateways = 2
	cfg.Gateway.MaxConnections = 20_000
	h := open(t, cfg)
	members, others := 200, 20
	if *long {
		members = 10_000 // the other ends are in a process of their own, as a process has 20,000 descriptors
	}
	const rooms = 100
	var facts []string
	for _, name := range []string{"red", "blue"} {
		facts = append(facts, fmt.Sprintf("project.%s.parent.team.%s", name, name))
		for r := range rooms {
			facts = append(facts, fmt.Sprintf("task.%s-%d.parent.project.%s", name, r, name))
		}
	}
	for i := range members {
		facts = append(facts, fmt.Sprintf("team.red.member.user.red%d", i))
	}
	for i := range others {
		facts = append(facts, fmt.Sprintf("team.blue.member.user.blue%d", i))
	}
	h.relate(facts...)
	var urls []string
	for _, g := range h.mesh.Gateways() {
		urls = append(urls, "http://"+g.Addr().String())
	}
	blue := team{URLs: urls, Name: "blue", Count: others, AtOnce: 4, Rooms: rooms}
	stay, err := blue.enters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hear := h.goIn(team{URLs: urls, Name: "red", Count: members, AtOnce: 50, Rooms: rooms})
	asked := questions(t, h)
	kv, err := h.js.KeyValue(t.Context(), "HUB_RELATIONS")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := kv.Delete(t.Context(), "project.red.parent.team.red"); err != nil {
		t.Fatal(err)
	}
	var when left
	if err := hear.Decode(&when); err != nil {
		t.Fatalf("not all were put out: %v", err)
	}
	first, last := time.UnixMicro(when.First).Sub(begun), time.UnixMicro(when.Last).Sub(begun)
	t.Logf("%d members on 2 gateways: the first is out after %v, the last after %v; authz was asked %v questions", members, first, last, questions(t, h)-asked)
	if *long && last > time.Second {
		t.Errorf("the last of %d members is out after %v, want a second at most", members, last)
	}
	for i, c := range stay { // none else
		if _, err := c.Heartbeat(t.Context()); err != nil {
			t.Errorf("blue%d: %v", i, err)
		}
		select {
		case e := <-c.Events():
			t.Errorf("blue%d heard %s", i, e.Raw)
		default:
		}
	}
}

// goIn starts a process that plays a team, and returns when all are in; then it
// tells when they were put out.
func (h *house) goIn(m team) *json.Decoder {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), part+"="+teamPart)
	cmd.Stderr = os.Stderr
	say, err := cmd.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = say.Close()
		_ = cmd.Wait() // killed with the test's context, at the latest
	})
	var word string
	hear := json.NewDecoder(out)
	if err := errors.Join(json.NewEncoder(say).Encode(m), hear.Decode(&word)); err != nil || word != "ready" {
		h.t.Fatalf("the team says %.1000q, %v", word, err)
	}
	return hear
}

// questions is how many all gateways have put to authz.
func questions(t testing.TB, h *house) (n float64) {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "hubmesh_gateway_asks_total" && l.GetName() == "asked" && l.GetValue() == "authz" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}
