package session_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const (
	badFirst = "close: unauthorized"
	noToken  = "refuse - unauthorized"
)

// judging is the first frame, and authz being asked.
func judging() step { return says(frame.Auth{Ref: as(1), Token: "t"}, "ask connect 1 t") }

func TestAClientIsLetInByItsFirstFrame(t *testing.T) {
	tell(t, session.Config{}, map[string]story{
		"the first frame brings the token, its ack follows connected": {
			judging(), authz(1, ann(), "greet ann in user:ann hub:all, then ack #1 {}"),
		},
		"the ack tells until when the token holds": {
			judging(), authz(1, annUntil(at(time.Hour)), "greet ann in user:ann hub:all until 1700003600000, then ack #1 {\"expiresAt\":1700003600000}"),
		},
		"without an id there is no ack": {
			says(frame.Auth{Token: "t"}, "ask connect 1 t"), authz(1, ann(), "greet ann in user:ann hub:all"),
		},
		"rooms that authz adds are entered, those that are none or there already are not": {
			judging(), authz(1, wire.ConnectAnswer{Allow: true, User: "ann", Rooms: []string{"team:red", "Team:blue", "hub:all", "team:red", "user:ann"}},
				"greet ann in user:ann hub:all team:red, then ack #1 {}"),
		},
		"welcome events follow the ack": {
			judging(), authz(1, wire.ConnectAnswer{Allow: true, User: "ann", Welcome: []wire.Event{{Event: "hello", Data: json.RawMessage(`"ann"`)}, {Event: "news", Data: json.RawMessage(`[]`)}}},
				`greet ann in user:ann hub:all, then ack #1 {}, then event hello "ann", then event news []`),
		},
		"frames that come meanwhile wait, and are heard in their order": {
			judging(),
			says(frame.Subscribe{Ref: as(2), Rooms: []frame.RoomAsk{{Room: "task:1"}}}),
			says(frame.Heartbeat{Ref: as(3)}),
			says(frame.Auth{Ref: as(4), Token: "u"}),
			authz(1, ann(), "greet ann in user:ann hub:all, then ack #1 {}", "ask join 2 task:1", "beat #3", "refuse #4 invalid"),
		},
		"frames that cannot be read count when they are heard": slices.Concat(
			story{judging()}, many(11, func(i int64) step { return says(frame.Malformed{Ref: as(i), Text: "no JSON"}) }),
			story{authz(1, ann(), slices.Concat([]string{"greet ann in user:ann hub:all, then ack #1 {}"}, refusals(10), []string{"close: too many malformed frames"})...)},
		),
		"a second token is refused when the first was accepted": {
			judging(), authz(1, ann(), "greet ann in user:ann hub:all, then ack #1 {}"),
			says(frame.Auth{Ref: as(2), Token: "t"}, "refuse #2 invalid"),
		},
	})
}

// refusals are those of malformed frames, numbered from 1.
func refusals(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("refuse #%d invalid", i+1))
	}
	return lines
}

func TestAClientIsNotLetIn(t *testing.T) {
	stories := map[string]story{
		"a bad token is told, then closed": {
			judging(), authz(1, wire.ConnectAnswer{Code: wire.Unauthorized, Message: "bad signature"}, "refuse #1 unauthorized", badFirst),
		},
		"one that has expired too": {
			judging(), authz(1, wire.ConnectAnswer{Code: wire.TokenExpired, Message: "expired"}, "refuse #1 token_expired", badFirst),
		},
		"a refusal without a code is unauthorized": {
			judging(), authz(1, wire.ConnectAnswer{User: "ann", Message: "no"}, "refuse #1 unauthorized", badFirst),
		},
		"an authz that is silent lets nobody in, and the client may try elsewhere": {
			judging(), authzIsSilent(1, "refuse #1 unavailable", "close: restart"),
		},
		"a user that no room can be named after is nobody": {
			judging(), authz(1, wire.ConnectAnswer{Allow: true}, "refuse #1 unauthorized", badFirst),
		},
		"nor one with control characters, at the handshake": {
			admitted(wire.ConnectAnswer{Allow: true, User: "a\nb"}, nil, noToken, badFirst),
		},
		"frames that waited are not answered: the connection is over": {
			judging(), says(frame.Heartbeat{Ref: as(2)}), authz(1, wire.ConnectAnswer{}, "refuse #1 unauthorized WITHOUT A TEXT", badFirst),
		},
		"a token must come within ten seconds": {
			passes(9 * time.Second), passes(time.Second, noToken, badFirst), passes(time.Second),
		},
		"while authz is asked no time runs": {
			judging(), passes(time.Minute), authz(1, ann(), "greet ann in user:ann hub:all, then ack #1 {}"), passes(time.Minute),
		},
		"more frames than may wait are refused": slices.Concat(
			story{judging()}, many(64, func(i int64) step { return says(frame.Heartbeat{Ref: as(i)}) }),
			story{says(frame.Heartbeat{Ref: as(99)}, "refuse #99 too_many"), says(frame.Heartbeat{}, "refuse - too_many")},
		),
		"a binary message ends it while authz is asked": {
			judging(), says(frame.Broken{End: frame.NoBinary}, "close: binary is not understood here"), authz(1, ann()),
		},
		"a binary message as the first frame": {
			says(frame.Broken{End: frame.NoBinary}, "close: binary is not understood here"),
		},
	}
	for _, first := range []frame.In{
		frame.Subscribe{Ref: as(5)}, frame.Unsubscribe{Ref: as(5)}, frame.Publish{Ref: as(5)}, frame.Call{Ref: as(5)}, frame.Refresh{Ref: as(5), Token: "t"},
		frame.History{Ref: as(5)}, frame.Heartbeat{Ref: as(5)}, frame.Wrong{Ref: as(5), Text: "no"}, frame.Malformed{Ref: as(5), Text: "no"},
	} {
		stories[fmt.Sprintf("another first frame, %T, is told, then closed", first)] = story{says(first, "refuse #5 unauthorized", badFirst), says(first)}
	}
	tell(t, session.Config{}, stories)
}

func TestAClientComesBackWithAPosition(t *testing.T) {
	since := &frame.Position{Epoch: "e", Offset: 12}
	look := "look 2 user:ann(since e:12) hub:all(since e:12)"
	first := story{says(frame.Auth{Ref: as(1), Token: "t", Since: since}, "ask connect 1 t"), authz(1, ann(), look)}
	found := func(recovered bool, events int) session.Found {
		return session.Found{Recovered: recovered, Replay: recovered, After: *since, UpTo: frame.Position{Epoch: "e", Offset: 20 - uint64(events)}, Events: events}
	}
	tell(t, session.Config{}, map[string]story{
		"all that its rooms have missed follows": append(first,
			looked(2, []session.Found{found(true, 2), found(true, 1)}, "greet ann in user:ann(after e:12) hub:all(after e:12) at e:18 recovered=true missed=3, then ack #1 {}")),
		"when one of its rooms has lost something it is recovered in none": append(first,
			looked(2, []session.Found{found(true, 2), found(false, 0)}, "greet ann in user:ann hub:all recovered=false, then ack #1 {}")),
		"frames wait until then too": append(first,
			says(frame.Heartbeat{Ref: as(2)}), passes(time.Minute),
			looked(2, []session.Found{found(true, 0), found(true, 0)}, "greet ann in user:ann(after e:12) hub:all(after e:12) at e:20 recovered=true missed=0, then ack #1 {}", "beat #2")),
		"the handshake may bring it": {
			admitted(ann(), since, strings.Replace(look, "2", "1", 1)),
			looked(1, []session.Found{found(false, 0), found(false, 0)}, "greet ann in user:ann hub:all recovered=false"),
		},
		"an end that comes first is the end": append(first,
			ends(frame.Restart, "close: restart"), looked(2, []session.Found{found(true, 2), found(true, 1)})),
	})
}

func TestATokenIsRenewedAndEnds(t *testing.T) {
	minute, hour := at(time.Minute), at(time.Hour)
	until := func(ms int64) step {
		return admitted(annUntil(ms), nil, fmt.Sprintf("greet ann in user:ann hub:all until %d", ms))
	}
	expiring := func(ms int64) string { return fmt.Sprintf(`event token:expiring {"expiresAt":%d}`, ms) }
	expired := []string{"refuse - token_expired", "close: unauthorized"}
	refresh := says(frame.Refresh{Ref: as(3), Token: "u"}, "ask connect 1 u")
	tell(t, session.Config{}, map[string]story{
		"it is told thirty seconds ahead, once, and ends when it does": {
			until(minute), passes(29 * time.Second), passes(time.Second, expiring(minute)), passes(29 * time.Second), passes(time.Second, expired...), passes(time.Second),
		},
		"a token without an end lasts": {
			admitted(ann(), nil, "greet ann in user:ann hub:all"), passes(1000 * time.Hour),
		},
		"a newer token holds longer": {
			until(minute), refresh, authz(1, annUntil(hour), fmt.Sprintf(`ack #3 {"expiresAt":%d}`, hour)),
			passes(2 * time.Minute), passes(57*time.Minute+30*time.Second, expiring(hour)), passes(time.Minute, expired...),
		},
		"a newer token that ends as soon is told of again": {
			until(minute), passes(30*time.Second, expiring(minute)), refresh, authz(1, annUntil(minute+1), fmt.Sprintf(`ack #3 {"expiresAt":%d}`, minute+1)), passes(time.Second, expiring(minute+1)),
		},
		"a newer token without an end": {
			until(minute), refresh, authz(1, ann(), "ack #3 {}"), passes(2 * time.Minute),
		},
		"another user's token is forbidden, and the old one holds": {
			until(minute), refresh, authz(1, wire.ConnectAnswer{Allow: true, User: "bob"}, "refuse #3 forbidden"), passes(time.Minute, expired...),
		},
		"a bad token is refused, and the old one holds": {
			until(minute), refresh, authz(1, wire.ConnectAnswer{Code: wire.TokenExpired, Message: "expired"}, "refuse #3 token_expired"), passes(time.Minute, expired...),
		},
		"an authz that is silent changes nothing": {
			until(minute), refresh, authzIsSilent(1, "refuse #3 unavailable"), passes(time.Minute, expired...),
		},
		"the token that was asked about last holds, in whatever order the answers come": {
			until(minute), refresh, says(frame.Refresh{Ref: as(4), Token: "v"}, "ask connect 2 v"),
			authz(2, annUntil(hour), fmt.Sprintf(`ack #4 {"expiresAt":%d}`, hour)), authz(1, annUntil(minute), fmt.Sprintf(`ack #3 {"expiresAt":%d}`, minute)),
			passes(2 * time.Minute),
		},
		"the old token ends while authz is asked about the newer": {
			until(minute), refresh, passes(time.Minute, expired...), authz(1, annUntil(hour)),
		},
	})
}

func TestASessionKnowsWhoItIs(t *testing.T) {
	s := session.New(session.Config{}, t0())
	if s.User() != "" || s.Claims() != nil || s.Over() {
		t.Errorf("a session begins with user %q, claims %v, over %v, want none", s.User(), s.Claims(), s.Over())
	}
	a := ann()
	a.Claims = map[string]json.RawMessage{"teams": json.RawMessage(`"red"`)}
	hello, ok := s.Admit(t0(), a, nil)[0].(session.Greet)
	if !ok || hello.Hello.HeartbeatMs != 25_000 {
		t.Errorf("Admit led to %+v, want a greeting with a heartbeat of 25 s", hello)
	}
	if s.User() != "ann" || string(s.Claims()["teams"]) != `"red"` {
		t.Errorf("after Admit: user %q, claims %v, want ann and the token's", s.User(), s.Claims())
	}
	s.Hear(t0(), frame.Refresh{Ref: as(1), Token: "u"})
	a.Claims = map[string]json.RawMessage{"teams": json.RawMessage(`"blue"`)}
	s.Admitted(t0(), 1, a, frame.Problem{})
	if string(s.Claims()["teams"]) != `"blue"` {
		t.Errorf("after a newer token: claims %v, want the newer", s.Claims())
	}
	if s.End(frame.Flood); !s.Over() {
		t.Error("after End a session is not over")
	}
}
