package natsconn_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/subject"
)

func TestAConnectionBesideIsTheSameUsersAndEndsByItself(t *testing.T) {
	s := natstest.Server(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "ann", Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"may"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"may", subject.Inbox(natstest.User) + ".>"}},
		}}}
	})
	closed := make(chan struct{})
	nc := natstest.Conn(t, s, nats.UserInfo("ann", "secret"), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	other, err := natsconn.Beside(nc, "past")
	if err != nil {
		t.Fatal(err)
	}
	if other.Opts.Name != nc.Opts.Name+"-past" || !strings.HasPrefix(other.NewInbox(), subject.Inbox(natstest.User)) {
		t.Errorf("its name is %s, an inbox %s", other.Opts.Name, other.NewInbox())
	}
	sub, err := nc.SubscribeSync("may")
	if err != nil {
		t.Fatal(err)
	}
	if err := natsconn.Flush(t.Context(), nc); err != nil {
		t.Fatal(err)
	}
	if err := other.Publish("may", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.NextMsg(patience); err != nil {
		t.Errorf("what it says is not heard: %v", err)
	}
	other.Close()
	if err := natsconn.Flush(t.Context(), nc); err != nil {
		t.Errorf("the first has ended with the other: %v", err)
	}
	select {
	case <-closed:
		t.Error("the end of the other was told as the end of the first")
	default:
	}
}
