package session_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// step is something that happens to a session, and what it leads to, as
// show_test.go writes it.
type step struct {
	what string
	do   func(s *session.Session, now time.Time) []session.Do
	wait time.Duration // passes first
	want []string
}

// story is what happens to one session, in order.
type story []step

// t0 is when every session begins.
func t0() time.Time { return time.UnixMilli(1_700_000_000_000) }

// at is a time as unix ms, so long after every session began.
func at(d time.Duration) int64 { return t0().Add(d).UnixMilli() }

// tell tells stories of sessions that have just begun.
func tell(t *testing.T, cfg session.Config, stories map[string]story) {
	t.Helper()
	cfg.Connection, cfg.Gateway = "g1-7", "g1"
	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			now := t0()
			s := session.New(cfg, now)
			for i, step := range st {
				now = now.Add(step.wait)
				if got := showAll(step.do(s, now)); !slices.Equal(got, step.want) {
					t.Fatalf("step %d, %s, led to\n\t%s\nwant\n\t%s", i, step.what, strings.Join(got, "\n\t"), strings.Join(step.want, "\n\t"))
				}
			}
		})
	}
}

// tellOfAnn tells stories of sessions into which ann was just let in.
func tellOfAnn(t *testing.T, cfg session.Config, stories map[string]story) {
	t.Helper()
	for name, st := range stories {
		stories[name] = append(story{admitted(ann(), nil, "greet ann in user:ann hub:all")}, st...)
	}
	tell(t, cfg, stories)
}

// ann is what authz says of ann.
func ann() wire.ConnectAnswer { return wire.ConnectAnswer{Allow: true, User: "ann"} }

// annUntil is ann with a token that ends.
func annUntil(ms int64) wire.ConnectAnswer {
	a := ann()
	a.ExpiresAt = ms
	return a
}

// silence is authz or the log not answering.
func silence() frame.Problem { return frame.Problem{Code: wire.Unavailable, Message: "no answer"} }

// as is the ref of an ask that wants an answer.
func as(n int64) frame.Ref { return frame.Ref{N: n, Wanted: true} }

// says: the client asks.
func says(in frame.In, want ...string) step {
	return step{what: "the client says", want: want, do: func(s *session.Session, now time.Time) []session.Do { return s.Hear(now, in) }}
}

// admitted: the handshake's token was judged already.
func admitted(a wire.ConnectAnswer, since *frame.Position, want ...string) step {
	return step{what: "let in at the handshake", want: want, do: func(s *session.Session, now time.Time) []session.Do { return s.Admit(now, a, since) }}
}

// authz: the answer to AskConnect.
func authz(tag session.Tag, a wire.ConnectAnswer, want ...string) step {
	return step{what: "authz says who it is", want: want, do: func(s *session.Session, now time.Time) []session.Do {
		return s.Admitted(now, tag, a, frame.Problem{})
	}}
}

// authzIsSilent: no answer to AskConnect.
func authzIsSilent(tag session.Tag, want ...string) step {
	return step{what: "authz does not say who it is", want: want, do: func(s *session.Session, now time.Time) []session.Do {
		return s.Admitted(now, tag, wire.ConnectAnswer{}, silence())
	}}
}

// rights is an answer to AskJoin: "task:1=subscribe,publish task:2=".
func rights(text string) map[string]wire.RoomRights {
	all := map[string]wire.RoomRights{}
	for _, part := range strings.Fields(text) {
		room, list, _ := strings.Cut(part, "=")
		r := wire.RoomRights{Allow: list != ""}
		for _, right := range strings.Split(list, ",") {
			if right != "" {
				r.Can = append(r.Can, wire.Right(right))
			}
		}
		all[room] = r
	}
	return all
}

// decided: the answer to AskJoin, as rights reads it.
func decided(tag session.Tag, text string, want ...string) step {
	return answered(tag, rights(text), want...)
}

// answered: the answer to AskJoin.
func answered(tag session.Tag, a map[string]wire.RoomRights, want ...string) step {
	return step{what: "authz decides", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Decided(tag, a, frame.Problem{})
	}}
}

// undecided: no answer to AskJoin. What comes with the problem is not read.
func undecided(tag session.Tag, want ...string) step {
	return step{what: "authz does not decide", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Decided(tag, rights("task:1=subscribe,publish,signal,history"), silence())
	}}
}

// looked: the answer to Look.
func looked(tag session.Tag, found []session.Found, want ...string) step {
	return step{what: "rooms were looked at", want: want, do: func(s *session.Session, now time.Time) []session.Do { return s.Looked(now, tag, found) }}
}

// stored: the answer to Store.
func stored(offset uint64, want ...string) step {
	return step{what: "an event is stored", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Stored(offset, frame.Problem{}) }}
}

// notStored: the answer to Store, with a problem.
func notStored(p frame.Problem, want ...string) step {
	return step{what: "an event is not stored", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Stored(0, p) }}
}

// replied: the answer to Ask.
func replied(tag session.Tag, data string, want ...string) step {
	return step{what: "a backend answers", want: want, do: func(s *session.Session, _ time.Time) []session.Do {
		return s.Replied(tag, json.RawMessage(data), frame.Problem{})
	}}
}

// notReplied: the answer to the first Ask, with a problem.
func notReplied(p frame.Problem, want ...string) step {
	return step{what: "a backend refuses", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Replied(1, nil, p) }}
}

// remembered: the answer to History.
func remembered(tag session.Tag, page frame.Past, p frame.Problem, want ...string) step {
	return step{what: "the past is read", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.Remembered(tag, page, p) }}
}

// passes: time does, and the session is told.
func passes(d time.Duration, want ...string) step {
	return step{what: "after " + d.String(), wait: d, want: want, do: func(s *session.Session, now time.Time) []session.Do { return s.Tick(now) }}
}

// later: time passes before a step, and the session is not told.
func later(d time.Duration, st step) step {
	st.wait += d
	return st
}

// ends: the session is ended from outside.
func ends(e frame.End, want ...string) step {
	return step{what: "the end", want: want, do: func(s *session.Session, _ time.Time) []session.Do { return s.End(e) }}
}

// many is a step so many times, numbered from 1.
func many(n int64, f func(i int64) step) (st story) {
	for i := range n {
		st = append(st, f(i+1))
	}
	return st
}
