package natsconn_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
)

func TestTheLastValueIsTheServers(t *testing.T) {
	for name, c := range map[string]struct {
		header natsconn.Header
		want   string
	}{
		"of one":                    {natsconn.Header{"Nats-Sequence": {"7"}}, "7"},
		"of several":                {natsconn.Header{"Nats-Sequence": {"9", "8", "7"}}, "7"},
		"of none":                   {natsconn.Header{"Nats-Sequence": nil}, ""},
		"of no headers":             {nil, ""},
		"of a name in another case": {natsconn.Header{"nats-sequence": {"7"}}, ""},
	} {
		if got := c.header.Last("Nats-Sequence"); got != c.want {
			t.Errorf("%s: %v.Last = %q, want %q", name, c.header, got, c.want)
		}
	}
}

// added is what the server adds to a copy of a message, at the least.
const added = "Nats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2026-01-01T00:00:00.000000000Z\r\nNats-Last-Sequence: 0\r\n"

func TestHeadersThatEndEarlyAreNotWhole(t *testing.T) {
	for name, c := range map[string]struct {
		stored string
		whole  bool
	}{
		"the server's alone":                        {"NATS/1.0\r\n" + added + "\r\n", true},
		"behind a publisher's":                      {"NATS/1.0\r\nNats-Sequence: 9\r\n" + added + "\r\n", true},
		"white space around values":                 {"NATS/1.0\r\nA:" + strings.Repeat(" ", 40) + "b" + strings.Repeat(" ", 40) + "\r\n" + added + "\r\n", true},
		"behind an early end":                       {"NATS/1.0\r\nNats-Sequence: 9\r\n\r\n" + added + "\r\n", false},
		"behind an early end, before anything else": {"NATS/1.0\r\n\r\n" + added + "\r\n", false},
		"a line that is no header":                  {"NATS/1.0\r\nno header\r\n" + added + "\r\n", false},
		"nothing":                                   {"", false},
	} {
		h, whole := natsconn.DecodeHeader([]byte(c.stored))
		if whole != c.whole || whole && h.Last("Nats-Sequence") != "1" {
			t.Errorf("%s: %v, %v; want whole %v", name, h, whole, c.whole)
		}
	}
}

func TestAMessageThatWasHeardIsWholeUnlessItsHeadersEndEarly(t *testing.T) {
	s := natstest.Server(t)
	nc := natstest.Conn(t, s)
	sub, err := nc.SubscribeSync("a.*")
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Flush(t.Context(), nc); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		headers string
		whole   bool
	}{
		"honest": {"NATS/1.0\r\n" + added + "\r\n", true},
		"early":  {"NATS/1.0\r\nNats-Sequence: 9\r\n\r\n" + added + "\r\n", false},
	} {
		natstest.Raw(t, s, "a.b", c.headers, "body")
		m, err := sub.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if h, whole := natsconn.ReadHeader(m); whole != c.whole || whole && h.Last("Nats-Sequence") != "1" {
			t.Errorf("%s: %v, %v; want whole %v", name, h, whole, c.whole)
		}
	}
}

func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte("NATS/1.0\r\n" + added + "\r\n"))
	f.Add([]byte("NATS/1.0\r\nNats-Sequence: 9\r\n\r\n" + added + "\r\n"))
	f.Add([]byte("NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		h, whole := natsconn.DecodeHeader(stored)
		if !whole && h != nil {
			t.Errorf("%q: %v of headers that are not whole", stored, h)
		}
		heard, ok := natsconn.ReadHeader(&nats.Msg{Subject: "s", Header: nats.Header(h)})
		if whole && (!ok || len(heard) != len(h)) {
			t.Errorf("%q: whole as stored and not as heard", stored)
		}
	})
}
