package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// member comes as a user and enters a room.
func (h *house) member(t testing.TB, user, room string) talk {
	t.Helper()
	k := come(t, h.mesh.Gateways()[0], user)
	k.enter(room)
	return k
}

// enter subscribes to one room.
func (k talk) enter(room string) {
	k.t.Helper()
	k.asks(`{"id":4712,"event":"subscribe","data":`+quote(room)+`}`, `{"ack":4712,"data":{"rooms":`+entered(room)+`,"denied":[]}}`)
}

func TestAPublishedEventIsHeardByTheOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data      string // of the publish, beside room and event
		want      string // of the event, beside its name, room and from
		ack       string
		selfHears bool
	}{
		"a signal":                       {`"data":{"x":1}`, `"data":{"x":1}`, `{}`, false},
		"a signal with an echo":          {`"data":[1,2],"echo":true`, `"data":[1,2]`, `{}`, true},
		"a signal without data":          {`"durable":false`, `"data":null`, `{}`, false},
		"a durable event":                {`"data":"ü","durable":true`, `"data":"ü","offset":1,"time":"<ms>"`, `{"offset":1}`, false},
		"a durable event with an echo":   {`"data":1,"durable":true,"echo":true`, `"data":1,"offset":1,"time":"<ms>"`, `{"offset":1}`, true},
		"bytes":                          {`"base64":"/wD+"`, `"data":{"base64":"/wD+"}`, `{}`, false},
		"durable bytes":                  {`"base64":"","durable":true`, `"data":{"base64":""},"offset":1,"time":"<ms>"`, `{"offset":1}`, false},
		"a durable event with a key":     {`"data":1,"durable":true,"key":"k 1.>*"`, `"data":1,"offset":1,"time":"<ms>"`, `{"offset":1}`, false},
		"what looks like markup in HTML": {`"data":"<b>&</b>"`, `"data":"<b>&</b>"`, `{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, config(t))
			ann, bob := h.member(t, "ann", "task:42"), h.member(t, "bob", "task:42")
			also := h.member(t, "ann", "task:42") // another connection of the same user is another
			event := `{"event":"cursor:move","room":"task:42",` + c.want + `,"from":"ann"}`
			ann.say(`{"id":1,"event":"publish","data":{"room":"task:42","event":"cursor:move",%s}}`, c.data)
			bob.hears(event)
			also.hears(event)
			ack := `{"ack":1,"data":` + c.ack + `}`
			if !c.selfHears {
				ann.hears(ack)
				h.says(t, "hub.live.task.42", `"fence"`)
				ann.hears(`{"event":"message","room":"task:42","data":"fence"}`)
				return
			}
			ann.hearsBoth(ack, event)
		})
	}
}

func TestAnAckedEventIsStored(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	k := h.member(t, "ann@example.com", "task:a@b")
	k.asks(`{"id":1,"event":"publish","data":{"room":"task:a@b","event":"task:update","data":{"n":1},"durable":true}}`, `{"ack":1,"data":{"offset":1}}`)
	k.asks(`{"id":2,"event":"publish","data":{"room":"task:a@b","event":"blob","base64":"AP8=","durable":true,"key":"k"}}`, `{"ack":2,"data":{"offset":2}}`)
	s, err := h.js.Stream(t.Context(), "HUB_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]struct{ event, kind, payload string }{
		1: {"task:update", "", `{"n":1}`}, 2: {"blob", "application/octet-stream", "\x00\xff"},
	} {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != "hub.event.task.a=40b" || string(m.Data) != want.payload || m.Header.Get("Hub-Event") != want.event ||
			m.Header.Get("Hub-From") != "ann@example.com" || m.Header.Get("Content-Type") != want.kind {
			t.Errorf("event %d is %s %v %q", seq, m.Subject, m.Header, m.Data)
		}
	}
}

func TestAKeyIsStoredOnce(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	ann, bob := h.member(t, "ann", "task:1"), h.member(t, "bob", "task:1")
	post := func(k talk, id, room, key string, offset int) {
		t.Helper()
		k.asks(`{"id":`+id+`,"event":"publish","data":{"room":"`+room+`","event":"e","data":`+id+`,"durable":true,"key":`+quote(key)+`}}`, fmt.Sprintf(`{"ack":%s,"data":{"offset":%d}}`, id, offset))
	}
	post(ann, "1", "task:1", "k", 1)
	bob.hears(`{"event":"e","room":"task:1","data":1,"offset":1,"from":"ann","time":"<ms>"}`)
	post(ann, "2", "task:1", "k", 1)                                  // the same again
	post(come(t, h.mesh.Gateways()[0], "ann"), "3", "task:1", "k", 1) // from another connection
	post(ann, "4", "task:2", "k", 2)                                  // in another room
	post(ann, "5", "task:1", "k2", 3)                                 // under another key
	bob.hears(`{"event":"e","room":"task:1","data":5,"offset":3,"from":"ann","time":"<ms>"}`)
	ann.lives()                      // hears none of its own
	post(bob, "6", "task:1", "k", 4) // of another user
}

func TestSomePublishesAreRefused(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	h.member(t, "ann", "task:42").lives()
	invalid := []string{
		`{}`, `null`, `"task:42"`, `{"room":"task:42"}`, `{"event":"e"}`, `{"room":"task","event":"e"}`,
		`{"room":"task:42","event":""}`, `{"room":"task:42","event":"a::b"}`, `{"room":"task:42","event":":a"}`,
		`{"room":"task:42","event":"a:"}`, `{"room":"task:42","event":" a"}`, `{"room":"task:42","event":"a\u00a0"}`, `{"room":"task:42","event":"a\nb"}`,
		`{"room":"task:42","event":"` + strings.Repeat("e", 129) + `"}`,
		`{"room":"task:42","event":"e","data":1,"base64":"AA=="}`, `{"room":"task:42","event":"e","base64":"not base64"}`, `{"room":"task:42","event":"e","base64":7}`,
	}
	for _, name := range []string{
		"connected", "room:joined", "room:left", "server:shutdown", "error", "presence:update", "user:typing", "user:stopped-typing",
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
	} {
		invalid = append(invalid, `{"room":"task:42","event":"`+name+`"}`, `{"room":"task:42","event":"`+name+`","durable":true}`)
	}
	forbidden := []string{
		`{"room":"hub:all","event":"e"}`, `{"room":"hub:all","event":"e","durable":true}`,
		`{"room":"user:bob","event":"e"}`, `{"room":"project:1","event":"e","durable":true}`, `{"room":"unknown:1","event":"e"}`,
	}
	k := come(t, h.mesh.Gateways()[0], "ann")
	for code, all := range map[string][]string{"invalid": invalid, "forbidden": forbidden} {
		for _, data := range all {
			k.asks(`{"id":1,"event":"publish","data":`+data+`}`, `{"ack":1,"error":{"code":"`+code+`","message":"<text>"}}`)
			k.asks(`{"event":"publish","data":`+data+`}`, `{"event":"error","data":{"code":"`+code+`","message":"<text>"}}`)
		}
	}
	k.lives()
}

func TestPublishingTakesTheRightNotMembership(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	bob := h.member(t, "bob", "task:42")
	ann := come(t, h.mesh.Gateways()[0], "ann")
	ann.asks(`{"id":1,"event":"publish","data":{"room":"task:42","event":"e","durable":true}}`, `{"ack":1,"data":{"offset":1}}`)
	bob.hears(`{"event":"e","room":"task:42","data":null,"offset":1,"from":"ann","time":"<ms>"}`)
	ann.asks(`{"id":2,"event":"publish","data":{"room":"task:42","event":"e"}}`, `{"ack":2,"data":{}}`)
	bob.hears(`{"event":"e","room":"task:42","data":null,"from":"ann"}`)
	ann.say(`{"id":3,"event":"publish","data":{"room":"user:ann","event":"note","data":1,"echo":true,"durable":true}}`)
	ann.hearsBoth(`{"ack":3,"data":{"offset":2}}`, `{"event":"note","room":"user:ann","data":1,"offset":2,"from":"ann","time":"<ms>"}`)
}
