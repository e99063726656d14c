package hub_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hubtest"
)

func ExampleDial() {
	// A gateway's end, as short as can be.
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		for _, frame := range []string{hubtest.Hello, `{"event":"task:update","room":"task:42","data":{"title":"Ship it"},"offset":8}`} {
			if wsutil.WriteServerText(conn, []byte(frame)) != nil {
				return
			}
		}
		wsutil.ReadClientText(conn) //nolint:errcheck // answers the close frame
	}))
	defer gateway.Close()

	c, err := hub.Dial(context.Background(), hub.Config{URL: gateway.URL, Token: "a.b.c"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Connected().User, "is in", c.Connected().Rooms)
	e := <-c.Events()
	fmt.Println(e.Room, e.Event, string(e.Data), e.Offset)
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ann is in [user:ann hub:all]
	// task:42 task:update {"title":"Ship it"} 8
}
