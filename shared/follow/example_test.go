package follow_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// newest is a Handler that keeps a bucket's newest values. Serve alone may
// touch it.
type newest map[string]string

func (n newest) Entry(e follow.Entry)             { n[e.Subject] = string(e.Data) }
func (n newest) Gone(_, _ uint64)                 {} // overwritten meanwhile: the newer record comes
func (n newest) Reset(string, uint64, follow.Why) { clear(n) }
func (n newest) Page(context.Context)             {}

// A bucket in memory: when Listen returns all that it holds is there, and
// Serve keeps it so. (A real one looks at deletions too.)
func Example() {
	mirror := func(ctx context.Context, nc *nats.Conn, tree subject.Tree, log *slog.Logger, n newest) error {
		f, err := follow.Listen(ctx, nc, follow.Config{
			Stream:    tree.BucketStream(subject.Gateways),
			Heard:     tree.Heard(subject.Gateways, "*"),
			FromStart: true,
		}, n, log)
		if err != nil {
			return err
		}
		return f.Serve(ctx)
	}
	_ = mirror

	n := newest{}
	n.Entry(follow.Entry{Seq: 1, Subject: "$KV.HUB_GATEWAYS.g1", Data: []byte("3 connections")})
	n.Entry(follow.Entry{Seq: 2, Subject: "$KV.HUB_GATEWAYS.g1", Data: []byte("4 connections")})
	fmt.Println(n)
	// Output: map[$KV.HUB_GATEWAYS.g1:4 connections]
}
