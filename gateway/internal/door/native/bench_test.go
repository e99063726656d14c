package native_test

import (
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/door"
	"github.com/hubmesh/hubmesh/gateway/internal/frame"
)

func BenchmarkHear(b *testing.B) {
	for name, text := range map[string]string{
		"heartbeat": `{"id":1,"event":"heartbeat"}`,
		"subscribe": `{"id":1,"event":"subscribe","data":{"rooms":[{"room":"task:42","since":{"epoch":"e","offset":12}}]}}`,
		"publish":   `{"id":1,"event":"publish","data":{"room":"task:42","event":"task:update","data":{"taskId":"42","change":"updated","by":"ann"},"durable":true}}`,
		"call":      `{"id":1,"event":"task:create","data":{"title":"Ship it","project":"7"}}`,
	} {
		b.Run(name, func(b *testing.B) {
			talk, p := open(b), door.Packet{Data: []byte(text)}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				talk.Hear(p)
			}
		})
	}
}

func BenchmarkSpell(b *testing.B) {
	data := []byte(`{"taskId":"42","change":"updated","task":{"title":"Ship it","done":false},"by":"ann"}`)
	for name, e := range map[string]frame.Event{
		"durable": {Name: "task:update", Room: "task:42", Data: data, Offset: 123456, From: "ann", TimeMs: 1_700_000_000_000},
		"signal":  {Name: "cursor:move", Room: "task:42", Data: []byte(`{"x":10,"y":3}`), From: "ann"},
		"bytes":   {Name: "image", Room: "task:42", Data: make([]byte, 1024), Binary: true, Offset: 123456, From: "ann", TimeMs: 1_700_000_000_000},
	} {
		b.Run(name, func(b *testing.B) {
			profile := open(b).Profile()
			b.ReportAllocs()
			for b.Loop() {
				profile.Spell(e)
			}
		})
	}
}
