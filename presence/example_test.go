package presence_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/presence"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// A replica, and what anyone asks of whichever replica hears it.
func Example() {
	run := func(ctx context.Context, nc *nats.Conn, kit obs.Kit) error {
		replica, err := presence.Listen(ctx, presence.Config{}, nc, kit)
		if err != nil {
			return err
		}
		return replica.Serve(ctx)
	}
	_ = run

	ask, err := json.Marshal(wire.PresenceRoomAsk{Room: "task:42", After: "bob"})
	fmt.Println(subject.Tree{}.Svc(subject.Presence, "room"), string(ask), err)
	// Output: hub.svc.presence.room {"room":"task:42","after":"bob"} <nil>
}
