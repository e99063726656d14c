package serve

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubmesh/hubmesh/authz/internal/book"
	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// BenchmarkJoin is a question for five rooms in the service, from its bytes to
// the answer's: by relations under the built-in rules, and by two rules each
// that somebody has written.
func BenchmarkJoin(b *testing.B) {
	for name, seeds := range map[string]map[string][]byte{
		"built-in": nil,
		"written": {"task": []byte("join: member(room) || (\"tasks\" in claims && room.id in claims.tasks)\n" +
			"publish: member(room) && !(\"readonly\" in claims)\n")},
	} {
		b.Run(name, func(b *testing.B) {
			_, nc := natstest.Mesh(b)
			js, err := jetstream.New(nc)
			if err != nil {
				b.Fatal(err)
			}
			kv, err := js.KeyValue(b.Context(), "HUB_RELATIONS")
			if err != nil {
				b.Fatal(err)
			}
			for _, key := range []string{"team.red.member.user.ann", "project.7.parent.team.red", "task.1.parent.project.7", "task.2.parent.project.7", "task.3.parent.project.7", "task.4.parent.project.7", "task.5.parent.project.7"} {
				if _, err := kv.Put(b.Context(), key, nil); err != nil {
					b.Fatal(err)
				}
			}
			log, m := slog.New(slog.DiscardHandler), meter.New(prometheus.NewRegistry())
			rights, err := book.Listen(b.Context(), nc, book.Config{Seeds: seeds}, m, log)
			if err != nil {
				b.Fatal(err)
			}
			a := &Answers{cfg: Config{Book: rights, Behind: time.Second}, meter: m, log: log}
			question := []byte(`{"user":"ann","claims":{"sub":"ann","iat":1700000000,"exp":1700003600,"name":"Ann","teams":["blue"]},"connection":"g1-1","rooms":["task:1","task:2","task:3","task:4","task:5"],"atLeast":{"relations":7}}`)
			b.ReportAllocs()
			for b.Loop() {
				var ask wire.JoinAsk
				if err := json.Unmarshal(question, &ask); err != nil {
					b.Fatal(err)
				}
				answer, err := a.join(b.Context(), ask)
				if err != nil || !answer.Rooms["task:5"].Allow {
					b.Fatal(answer, err)
				}
				if _, err := json.Marshal(answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
