package natsconn_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

// patience bounds everything that a test waits for.
const patience = 20 * time.Second

// serve runs an Asker over nc until end is called, or the test ends.
func serve(t *testing.T, nc *nats.Conn) (a *natsconn.Asker, end func()) {
	t.Helper()
	a, err := natsconn.NewAsker(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Serve(ctx); err != nil {
			t.Error(err)
		}
	})
	end = func() { cancel(); wg.Wait() }
	t.Cleanup(end)
	return a, end
}

// answerer answers on subj.
func answerer(t *testing.T, nc *nats.Conn, subj string, answer nats.MsgHandler) {
	t.Helper()
	if _, err := nc.Subscribe(subj, answer); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	m   *nats.Msg
	err error
}

// ask asks and waits for the answer.
func ask(t *testing.T, a *natsconn.Asker, m *nats.Msg, wait time.Duration) (*nats.Msg, error) {
	t.Helper()
	heard := make(chan answer, 2)
	a.Ask(m, wait, func(m *nats.Msg, err error) { heard <- answer{m, err} })
	select {
	case got := <-heard:
		return got.m, got.err
	case <-time.After(wait + patience):
		t.Fatalf("%s was not answered", m.Subject)
		return nil, nil
	}
}

func TestAQuestionIsAnswered(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	a, _ := serve(t, nc)
	answerer(t, nc, "q", func(m *nats.Msg) {
		_ = m.RespondMsg(&nats.Msg{Data: append([]byte("re "), m.Data...), Header: nats.Header{"Kind": m.Header["Kind"]}})
	})
	answerer(t, nc, "empty", func(m *nats.Msg) { _ = m.Respond(nil) })
	m, err := ask(t, a, &nats.Msg{Subject: "q", Data: []byte("x"), Header: nats.Header{"Kind": {"k"}}}, patience)
	if err != nil || string(m.Data) != "re x" || m.Header.Get("Kind") != "k" {
		t.Errorf("answer %v, %v; want re x with its header", m, err)
	}
	if m, err := ask(t, a, &nats.Msg{Subject: "empty"}, patience); err != nil || len(m.Data) != 0 {
		t.Errorf("answer %v, %v; want an empty one", m, err)
	}
}

func TestNobodyIsThereToAnswer(t *testing.T) {
	a, _ := serve(t, natstest.Conn(t, natstest.Server(t)))
	if m, err := ask(t, a, &nats.Msg{Subject: "q"}, time.Hour); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("answer %v, %v; want no responders, at once", m, err)
	}
}

func TestSilenceIsAnAnswer(t *testing.T) {
	const wait = 100 * time.Millisecond
	nc := natstest.Conn(t, natstest.Server(t))
	a, _ := serve(t, nc)
	asked := make(chan *nats.Msg, 1)
	answerer(t, nc, "q", func(m *nats.Msg) { asked <- m })
	answerer(t, nc, "echo", func(m *nats.Msg) { _ = m.Respond(nil) })
	begin := time.Now()
	if m, err := ask(t, a, &nats.Msg{Subject: "q"}, wait); !errors.Is(err, natsconn.ErrSilent) {
		t.Errorf("answer %v, %v; want silence", m, err)
	}
	if took := time.Since(begin); took < wait {
		t.Errorf("silent after %v, want %v", took, wait)
	}
	// An answer after its time reaches nobody, not the next question either.
	if err := (<-asked).Respond([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if m, err := ask(t, a, &nats.Msg{Subject: "echo"}, patience); err != nil || len(m.Data) != 0 {
		t.Errorf("the next answer: %v, %v; want its own", m, err)
	}
}

func TestAQuestionThatCannotBeSentIsAnsweredAtOnce(t *testing.T) {
	w := natstest.NewWire(t, natstest.Server(t))
	nc := w.Conn(t)
	a, _ := serve(t, nc)
	large := &nats.Msg{Subject: "q", Data: make([]byte, 3<<20)}
	if _, err := ask(t, a, large, time.Hour); !errors.Is(err, nats.ErrMaxPayload) || !strings.Contains(err.Error(), "ask q") {
		t.Errorf("3 MiB: %v, want that it is too much for q", err)
	}
	away, back := nc.StatusChanged(nats.RECONNECTING), nc.StatusChanged(nats.CONNECTED)
	w.Cut()
	<-away
	if _, err := ask(t, a, &nats.Msg{Subject: "q"}, time.Hour); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("without NATS: %v, want that nothing is kept for later", err)
	}
	w.Mend()
	<-back
	if _, err := ask(t, a, &nats.Msg{Subject: "q"}, time.Hour); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("with NATS again: %v, want no responders", err)
	}
}

func TestTheEndAnswersWhatIsOpen(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	answerer(t, nc, "q", func(*nats.Msg) {})
	before := s.NumSubscriptions()
	a, end := serve(t, nc)
	heard := make(chan error, 3)
	for range 3 {
		a.Ask(&nats.Msg{Subject: "q"}, time.Hour, func(_ *nats.Msg, err error) { heard <- err })
	}
	end()
	for range 3 {
		if err := <-heard; !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("an open question: %v, want that the connection is closed", err)
		}
	}
	if _, err := ask(t, a, &nats.Msg{Subject: "q"}, time.Hour); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("a question after the end: %v, want that the connection is closed", err)
	}
	if err := nc.FlushTimeout(patience); err != nil || s.NumSubscriptions() != before {
		t.Errorf("%d subscriptions are left, want %d (%v)", s.NumSubscriptions(), before, err)
	}
}

func TestTheEndAfterTheConnectionIsNoFault(t *testing.T) {
	nc := natstest.Conn(t, natstest.Server(t))
	_, end := serve(t, nc)
	nc.Close()
	end() // an error of Serve fails the test
}

// TestManyQuestionsAreOpenAtOnce has ten thousand wait until the last was
// asked, and answers them in any order.
func TestManyQuestionsAreOpenAtOnce(t *testing.T) {
	const many = 10_000
	nc := natstest.Conn(t, natstest.Server(t))
	a, _ := serve(t, nc)
	asked := make(chan *nats.Msg, many)
	answerer(t, nc, "q", func(m *nats.Msg) { asked <- m })
	var open sync.WaitGroup
	var wrong atomic.Int64
	for n := range many {
		open.Add(1)
		body := strconv.Itoa(n)
		a.Ask(&nats.Msg{Subject: "q", Data: []byte(body)}, time.Minute, func(m *nats.Msg, err error) {
			defer open.Done()
			if err != nil || string(m.Data) != body {
				wrong.Add(1)
			}
		})
	}
	questions := make([]*nats.Msg, many)
	for i := range questions {
		questions[i] = <-asked
	}
	rand.Shuffle(many, func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	for _, q := range questions {
		if err := q.Respond(q.Data); err != nil {
			t.Fatal(err)
		}
	}
	open.Wait()
	if n := wrong.Load(); n != 0 {
		t.Errorf("%d of %d had another's answer, or none", n, many)
	}
}

// TestEachQuestionIsAnsweredOnce asks from many goroutines what is answered,
// what nobody hears and what stays silent, and ends while they ask.
func TestEachQuestionIsAnsweredOnce(t *testing.T) {
	const askers, each = 8, 500
	nc := natstest.Conn(t, natstest.Server(t))
	a, end := serve(t, nc)
	answerer(t, nc, "q.0", func(m *nats.Msg) { _ = m.Respond(nil) })
	answerer(t, nc, "q.1", func(*nats.Msg) {})
	var answers [askers * each]atomic.Int32
	var asking sync.WaitGroup
	half := make(chan struct{})
	for n := range askers {
		asking.Go(func() {
			for i := range each {
				if n == 0 && i == each/2 {
					close(half)
				}
				at := &answers[n*each+i]
				a.Ask(&nats.Msg{Subject: "q." + strconv.Itoa(i%3)}, time.Duration(i)*time.Millisecond, func(*nats.Msg, error) { at.Add(1) })
			}
		})
	}
	<-half
	end()
	asking.Wait()
	for i := range answers {
		if n := answers[i].Load(); n != 1 {
			t.Fatalf("question %d was answered %d times, want once", i, n)
		}
	}
}

func BenchmarkAsk(b *testing.B) {
	s := natstest.Server(b)
	nc := natstest.Conn(b, s)
	a, err := natsconn.NewAsker(nc)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := natstest.Conn(b, s).Subscribe("q", func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	heard := make(chan struct{}, 1)
	for b.Loop() {
		a.Ask(&nats.Msg{Subject: "q"}, patience, func(*nats.Msg, error) { heard <- struct{}{} })
		<-heard
	}
}
