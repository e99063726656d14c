package session_test

import (
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/wire"
)

func Example() {
	now := time.Unix(1_700_000_000, 0)
	s := session.New(session.Config{Connection: "g1-7", Gateway: "g1"}, now)
	carryOut := func(todo []session.Do) {
		for _, do := range todo {
			fmt.Printf("%T\n", do)
		}
	}
	carryOut(s.Admit(now, wire.ConnectAnswer{Allow: true, User: "ann"}, nil))

	ask := frame.Subscribe{Ref: frame.Ref{N: 1, Wanted: true}, Rooms: []frame.RoomAsk{{Room: "task:42"}}}
	todo := s.Hear(now, ask)
	carryOut(todo)

	join, ok := todo[0].(session.AskJoin)
	fmt.Println(ok, join.Rooms)
	may := wire.RoomRights{Allow: true, Can: []wire.Right{wire.Subscribe}}
	carryOut(s.Decided(join.Tag, map[string]wire.RoomRights{"task:42": may}, frame.Problem{}))
	// Output:
	// session.Greet
	// session.AskJoin
	// true [task:42]
	// session.Enter
}
