package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// crowd is clients that come back all at once, each to one room from one
// position. It is told to processes as JSON.
type crowd struct {
	URLs   []string     // of gateways, among whom the clients of each room are spread
	First  int          // the number of its first client
	Count  int          // of clients
	AtOnce int          // that are on their way to a gateway: what a listener lets wait is bounded
	Since  hub.Position // for all
	Missed [][]uint64   // the offsets that who comes back to task:0, task:1, … must hear
}

// comes has everybody come back, and returns when all have heard what they
// missed. The connections are open; leave ends them.
func (c crowd) comes(ctx context.Context) (leave func(), err error) {
	turn := make(chan int, c.Count)
	for i := range c.Count {
		turn <- c.First + i
	}
	close(turn)
	clients, errs := make([]*hub.Client, c.Count), make([]error, c.Count)
	var wg sync.WaitGroup
	for range c.AtOnce {
		wg.Go(func() {
			for i := range turn {
				clients[i-c.First], errs[i-c.First] = c.one(ctx, i)
			}
		})
	}
	wg.Wait()
	return func() {
		for _, one := range clients {
			if one != nil {
				_ = one.Cut() // it may have ended
			}
		}
	}, errors.Join(errs...)
}

// one has client i come back.
func (c crowd) one(ctx context.Context, i int) (*hub.Client, error) {
	user := fmt.Sprintf("user%d", i)
	n := i % len(c.Missed)
	tok, err := authz.Mint(secret, user, map[string]any{"rooms": []string{"task:*"}}, time.Hour, time.Now())
	if err != nil {
		return nil, err
	}
	at := c.URLs[i/len(c.Missed)%len(c.URLs)]
	one, err := hub.Dial(ctx, hub.Config{URL: at, Token: tok, Unread: 1})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", user, err)
	}
	in, err := one.Subscribe(ctx, hub.Room{Room: fmt.Sprintf("task:%d", n), Since: &c.Since})
	if err != nil || len(in.Rooms) != 1 || !*in.Rooms[0].Recovered {
		return one, fmt.Errorf("%s: came back as %+v: %w", user, in, err)
	}
	var got []uint64
	for range c.Missed[n] {
		got = append(got, (<-one.Events()).Offset)
	}
	if !slices.Equal(got, c.Missed[n]) {
		return one, fmt.Errorf("%s heard %v, want %v", user, got, c.Missed[n])
	}
	return one, nil
}

// crowdPart is a process that plays a crowd. It reads which and says ready,
// reads when and says what went wrong, and stays until nothing more is to be
// read.
const crowdPart = "crowd"

func playCrowd(in io.Reader, out io.Writer) (status int) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // this is the process's main
	defer cancel()
	say, hear := json.NewEncoder(out), json.NewDecoder(in)
	var c crowd
	var word string
	if errors.Join(hear.Decode(&c), say.Encode("ready"), hear.Decode(&word)) != nil {
		return 1 // the story has ended
	}
	leave, err := c.comes(ctx)
	defer leave()
	if err != nil {
		word = err.Error()
	}
	if say.Encode(word) != nil {
		return 1
	}
	_ = hear.Decode(&word) // its end is what is waited for
	return 0
}

// troupe is processes that each play a part of a crowd.
type troupe struct {
	t    testing.TB
	all  []*exec.Cmd
	say  []io.WriteCloser
	hear []*json.Decoder
}

// gather starts processes that are ready to be a crowd together.
func gather(t testing.TB, c crowd, processes int) *troupe {
	t.Helper()
	tr := &troupe{t: t}
	each := c.Count / processes
	for n := range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), part+"="+crowdPart)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		tr.all, tr.say, tr.hear = append(tr.all, cmd), append(tr.say, in), append(tr.hear, json.NewDecoder(out))
		mine := c
		mine.First, mine.Count, mine.AtOnce = n*each, each, c.AtOnce/processes
		if err := json.NewEncoder(in).Encode(mine); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(tr.leave)
	tr.hearAll("ready")
	return tr
}

// comes has all come back, and returns how long it takes until everybody has
// heard what it missed.
func (tr *troupe) comes() time.Duration {
	tr.t.Helper()
	begun := time.Now()
	for _, to := range tr.say {
		if err := json.NewEncoder(to).Encode(""); err != nil {
			tr.t.Errorf("a crowd has gone: %v", err)
		}
	}
	tr.hearAll("")
	return time.Since(begun)
}

// hearAll fails unless each process says just this.
func (tr *troupe) hearAll(want string) {
	tr.t.Helper()
	for _, from := range tr.hear {
		var got string
		if err := from.Decode(&got); err != nil || got != want {
			tr.t.Errorf("a crowd said %.2000q, %v; want %q", got, err, want)
		}
	}
}

// leave ends the processes and their connections.
func (tr *troupe) leave() {
	for i, cmd := range tr.all {
		_ = tr.say[i].Close()
		_ = cmd.Wait() // killed with the test's context, at the latest
	}
	tr.all = nil
}
