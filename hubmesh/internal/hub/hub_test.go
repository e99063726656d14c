package hub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hubtest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func dial(t testing.TB, cfg hub.Config) *hub.Client {
	t.Helper()
	c, err := hub.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

func TestATokenIsBroughtInEachWay(t *testing.T) {
	const token = "aaa.bbb.ccc"
	ways := map[string]struct {
		bring hub.Bring
		found func(*http.Request) string
	}{
		"by header":      {hub.ByHeader, func(r *http.Request) string { return r.Header.Get("Authorization") }},
		"by subprotocol": {hub.BySubprotocol, func(r *http.Request) string { return r.Header.Get("Sec-Websocket-Protocol") }},
		"by query":       {hub.ByQuery, func(r *http.Request) string { return r.URL.Query().Get("token") }},
		"by cookie":      {hub.ByCookie, func(r *http.Request) string { return r.Header.Get("Cookie") }},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			brought := make(chan *http.Request, 1)
			url := hubtest.Door(t, func(s *hubtest.Side, r *http.Request) {
				brought <- r
				s.Say(hubtest.Hello)
				s.Hear()
			})
			c := dial(t, hub.Config{URL: url, Token: token, Bring: way.bring, Since: hub.Position{Epoch: "e:1", Offset: 9}})
			r := <-brought
			if got := way.found(r); !strings.HasSuffix(got, token) {
				t.Errorf("brought %q, want it to end in %q", got, token)
			}
			for other, w := range ways {
				if other != name && strings.Contains(w.found(r), token) {
					t.Errorf("also brought %s", other)
				}
			}
			if got, want := r.URL.Query().Get("since"), "e:1:9"; got != want {
				t.Errorf("since = %q, want %q", got, want)
			}
			if got, want := c.Connected().Position, (hub.Position{Epoch: "e1", Offset: 7}); got != want {
				t.Errorf("position = %v, want %v", got, want)
			}
		})
	}
}

func TestATokenInTheFirstFrameIsAckedAfterTheGreeting(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, r *http.Request) {
		if r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("the handshake brought something: %v", r)
		}
		a, _ := s.Hear()
		if got, want := string(a.Data), `{"token":"x.y.z","since":{"epoch":"e1","offset":3}}`; a.Event != "auth" || got != want {
			t.Errorf("first frame = %s %s, want auth %s", a.Event, got, want)
		}
		s.Say(hubtest.Hello, `{"event":"welcome","data":1}`, fmt.Sprintf(`{"ack":%d,"data":{}}`, a.ID))
		s.Hear()
	})
	c := dial(t, hub.Config{URL: url, Token: "x.y.z", Bring: hub.ByFrame, Since: hub.Position{Epoch: "e1", Offset: 3}})
	if got := (<-c.Events()).Event; got != "welcome" {
		t.Errorf("first event = %q, want welcome", got)
	}
}

func TestWhoIsNotAdmittedLearnsWhy(t *testing.T) {
	t.Run("in the handshake", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"code":"unavailable","message":"draining"}}`)
		}))
		defer srv.Close()
		_, err := hub.Dial(t.Context(), hub.Config{URL: srv.URL})
		var refused *hub.Refused
		if !errors.As(err, &refused) {
			t.Fatalf("Dial: %v, want a *Refused", err)
		}
		want := hub.Refused{Status: 503, Code: wire.Unavailable, Message: "draining", RetryAfter: 3 * time.Second}
		if *refused != want {
			t.Errorf("refused = %+v, want %+v", *refused, want)
		}
	})
	t.Run("in the first frame", func(t *testing.T) {
		url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
			a, _ := s.Hear()
			s.Say(fmt.Sprintf(`{"ack":%d,"error":{"code":"token_expired","message":"since a minute"}}`, a.ID))
		})
		_, err := hub.Dial(t.Context(), hub.Config{URL: url, Token: "x.y.z", Bring: hub.ByFrame})
		var fault *hub.Error
		if !errors.As(err, &fault) || fault.Code != wire.TokenExpired {
			t.Errorf("Dial: %v, want an *Error with token_expired", err)
		}
	})
}

func TestAsksGoOutAsTheDoorReadsThem(t *testing.T) {
	asks := map[string]struct {
		ask  func(*hub.Client) (any, error)
		sent string // event and data
		ack  string
		got  any
	}{
		"subscribe": {
			func(c *hub.Client) (any, error) {
				s, err := c.Subscribe(t.Context(), hub.Room{Room: "task:42", Since: &hub.Position{Epoch: "e", Offset: 1}}, hub.Room{Room: "task:43"})
				return len(s.Rooms) + 10*len(s.Denied), err
			},
			`subscribe {"rooms":[{"room":"task:42","since":{"epoch":"e","offset":1}},{"room":"task:43"}]}`,
			`{"rooms":[{"room":"task:42","offset":7,"epoch":"e"}],"denied":[{"room":"task:43","code":"forbidden","message":"no"}]}`,
			11,
		},
		"unsubscribe": {
			func(c *hub.Client) (any, error) { return nil, c.Unsubscribe(t.Context(), "task:42") },
			`unsubscribe {"rooms":["task:42"]}`, `{}`, nil,
		},
		"publish": {
			func(c *hub.Client) (any, error) {
				return c.Publish(t.Context(), hub.Publication{Room: "task:42", Event: "e", Data: json.RawMessage(`1`), Durable: true})
			},
			`publish {"room":"task:42","event":"e","data":1,"durable":true}`, `{"offset":12}`, uint64(12),
		},
		"publish of bytes": {
			func(c *hub.Client) (any, error) {
				return c.Publish(t.Context(), hub.Publication{Room: "task:42", Event: "e", Base64: []byte{0xff}})
			},
			`publish {"room":"task:42","event":"e","base64":"/w=="}`, `{}`, uint64(0),
		},
		"heartbeat": {
			func(c *hub.Client) (any, error) {
				p, err := c.Heartbeat(t.Context())
				return p.Position.String(), err
			},
			`heartbeat `, `{"time":5,"position":{"epoch":"e","offset":8}}`, "e:8",
		},
		"refresh": {
			func(c *hub.Client) (any, error) { return c.Refresh(t.Context(), "a.b.c") },
			`auth:refresh {"token":"a.b.c"}`, `{"expiresAt":99}`, int64(99),
		},
	}
	for name, a := range asks {
		t.Run(name, func(t *testing.T) {
			url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
				s.Say(hubtest.Hello)
				heard, _ := s.Hear()
				if got := heard.Event + " " + string(heard.Data); got != a.sent {
					t.Errorf("sent %s, want %s", got, a.sent)
				}
				s.Ack(heard, a.ack)
				s.Hear()
			})
			got, err := a.ask(dial(t, hub.Config{URL: url}))
			if err != nil || got != a.got {
				t.Errorf("answer = %v, %v, want %v", got, err, a.got)
			}
		})
	}
}

func TestAcksFindTheirAskWhateverTheirOrder(t *testing.T) {
	const asks = 50
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		var heard []hubtest.Asked
		for range asks {
			a, _ := s.Hear()
			heard = append(heard, a)
		}
		for i := len(heard) - 1; i >= 0; i-- {
			s.Ack(heard[i], string(heard[i].Data))
		}
		s.Hear()
	})
	c := dial(t, hub.Config{URL: url})
	var wg sync.WaitGroup
	for i := range asks {
		wg.Go(func() {
			got, err := c.Ask(t.Context(), "echo", i)
			if err != nil || string(got) != strconv.Itoa(i) {
				t.Errorf("Ask(%d) = %s, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestTheAckOfATellKeepsItsPlaceAmongTheEvents(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		a, _ := s.Hear()
		s.Say(`{"event":"before","data":1}`)
		s.Ack(a, `{"n":2}`)
		s.Say(`{"event":"after","data":3}`)
		s.Hear()
	})
	c := dial(t, hub.Config{URL: url})
	id, err := c.Tell("task:create", nil)
	if err != nil {
		t.Fatal(err)
	}
	before, ack, after := <-c.Events(), <-c.Events(), <-c.Events()
	if before.Event != "before" || after.Event != "after" || before.Ack != nil || after.Ack != nil {
		t.Errorf("around the ack came %s and %s", before.Raw, after.Raw)
	}
	if ack.Ack == nil || ack.Ack.ID != id || string(ack.Ack.Data) != `{"n":2}` || ack.Ack.Err != nil {
		t.Errorf("between them came %s, want the ack of %d", ack.Raw, id)
	}
}

func TestAnAckThatIsAnErrorIsTyped(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		a, _ := s.Hear()
		s.Say(fmt.Sprintf(`{"ack":%d,"error":{"code":"rate_limited","message":"slowly","retryAfterMs":250}}`, a.ID))
		s.Hear()
	})
	_, err := dial(t, hub.Config{URL: url}).Ask(t.Context(), "task:create", nil)
	var fault *hub.Error
	if want := (hub.Error{Code: wire.RateLimited, Message: "slowly", RetryAfter: 250 * time.Millisecond}); !errors.As(err, &fault) || *fault != want {
		t.Errorf("Ask: %v, want %v", err, want)
	}
}

func TestNoEventIsLostWhileNobodyReads(t *testing.T) {
	const events = 5000
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		for i := range events {
			s.Say(fmt.Sprintf(`{"event":"n","room":"task:1","data":%d,"offset":%d}`, i, i+1))
		}
		s.Hear()
	})
	c := dial(t, hub.Config{URL: url, Unread: 1})
	for i := range events {
		e := <-c.Events()
		if e.Offset != uint64(i+1) || string(e.Data) != strconv.Itoa(i) {
			t.Fatalf("event %d = %s", i, e.Raw)
		}
	}
}

func TestTheCloseCodeEndsEventsAndAsks(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello, `{"event":"last","data":null}`)
		s.Hear()
		bye := ws.NewCloseFrame(ws.NewCloseFrameBody(4409, "too slow"))
		if err := ws.WriteFrame(s.Conn, bye); err != nil {
			t.Error(err)
		}
		if h, err := ws.ReadHeader(s); err != nil || h.OpCode != ws.OpClose || !h.Masked {
			t.Errorf("answer to the close frame = %+v, %v", h, err)
		}
	})
	c := dial(t, hub.Config{URL: url})
	_, asked := c.Ask(t.Context(), "task:create", nil)
	if e := <-c.Events(); e.Event != "last" {
		t.Errorf("event = %s, want last", e.Raw)
	}
	if _, open := <-c.Events(); open {
		t.Error("events go on after the close frame")
	}
	for what, err := range map[string]error{"Err": c.Err(), "the ask under way": asked} {
		var closed *hub.Closed
		if !errors.As(err, &closed) || *closed != (hub.Closed{Code: 4409, Reason: "too slow"}) {
			t.Errorf("%s = %v, want a *Closed with 4409", what, err)
		}
	}
}

func TestAFrameThatIsNeitherEventNorAckEndsTheConnection(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello, `{"data":1}`)
		s.Hear()
	})
	if err := dial(t, hub.Config{URL: url}).Err(); err == nil {
		t.Error("Err = nil, want what was wrong with the frame")
	}
}

func TestAPingIsAnsweredAlsoWhileNothingIsSaid(t *testing.T) {
	answered := make(chan ws.Header, 1)
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		if err := ws.WriteFrame(s.Conn, ws.NewPingFrame(nil)); err != nil {
			t.Error(err)
		}
		h, err := ws.ReadHeader(s)
		if err != nil {
			t.Error(err)
		}
		answered <- h
	})
	dial(t, hub.Config{URL: url})
	if h := <-answered; h.OpCode != ws.OpPong {
		t.Errorf("answer = %+v, want a pong", h)
	}
}

func TestOnesOwnCloseIsNoFault(t *testing.T) {
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		s.Say(hubtest.Hello)
		s.Hear() // answers the close frame
	})
	c := dial(t, hub.Config{URL: url})
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := c.Err(); err != nil {
		t.Errorf("Err: %v", err)
	}
	if _, err := c.Ask(t.Context(), "late", nil); !errors.Is(err, hub.ErrEnded) {
		t.Errorf("Ask after Close: %v, want ErrEnded", err)
	}
}

func TestFramesOfEveryKindCanBeSent(t *testing.T) {
	got := make(chan ws.OpCode, 2)
	raw := make(chan string, 1)
	url := hubtest.Door(t, func(s *hubtest.Side, _ *http.Request) {
		for range 2 {
			h, err := ws.ReadHeader(s)
			if err == nil {
				_, err = io.CopyN(io.Discard, s, h.Length)
			}
			if err != nil {
				t.Error(err)
			}
			got <- h.OpCode
		}
		p := make([]byte, 3)
		if _, err := s.Read(p); err != nil {
			t.Error(err)
		}
		raw <- string(p)
	})
	socket, err := hub.Open(t.Context(), hub.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Cut() //nolint:errcheck // the test has what it wants
	for _, send := range []error{socket.Send(hub.Frame{Binary: true, Body: []byte{1}}), socket.Ping(), socket.SendRaw([]byte("\xff\xff\xff"))} {
		if send != nil {
			t.Error(send)
		}
	}
	if a, b, c := <-got, <-got, <-raw; a != ws.OpBinary || b != ws.OpPing || c != "\xff\xff\xff" {
		t.Errorf("the door read %v, %v, %q", a, b, c)
	}
}

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "nats://127.0.0.1:4222", "http://%zz"} {
		if _, err := hub.Open(t.Context(), hub.Config{URL: url}); err == nil {
			t.Errorf("Open(%q) went well", url)
		}
	}
}
