package authz_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/shared/follow"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/natstest"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// patience bounds what a replica takes to be where everybody is.
const patience = time.Minute

// eventually asks until the answer is as wanted.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if reached() {
			return
		}
	}
	t.Fatalf("%s: not after %v", what, patience)
}

// A replica that was cut off does not hear of a member who came and went
// meanwhile: only the newest record of a key is left. Another replica may have
// answered for it, so whose rights are to be asked for again must not be less.
func TestWhoCameAndWentDuringACutIsNotForgotten(t *testing.T) {
	s, nc := natstest.Mesh(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t, nc, js}
	h.relate("team.red.member.user.bob")
	cable := natstest.NewWire(t, s)
	near := cable.Conn(t)
	start(t, near, authz.Config{Secret: secret, BehindWait: 10 * time.Second, Follow: follow.Config{Silence: 50 * time.Millisecond}}, quiet())
	before := h.known()

	back := near.StatusChanged(nats.RECONNECTING)
	cable.Cut()
	<-back
	h.relate("team.red.member.user.ann")
	after := before
	h.drop("HUB_RELATIONS", "team.red.member.user.ann")
	after.Relations = h.relate("team.red.member.user.eve")
	cable.Mend()

	var got wire.TouchedAnswer
	eventually(t, "the replica answers again", func() bool {
		got, err = call[wire.TouchedAnswer](t, nc, "touched", wire.TouchedAsk{After: before, UpTo: after})
		return err == nil
	})
	named := slices.ContainsFunc(got.Touched, func(one wire.Touched) bool { return slices.Contains(one.Users, "ann") })
	if !got.All && !named {
		t.Errorf("touched = %+v, want all, or ann among them", got)
	}
	h.wantCan("ann", "team:red", after, 0)
	h.wantCan("eve", "team:red", after, 5)
	now := h.known() // it names again, once it is where everybody is
	next := now
	next.Relations = h.relate("team.red.member.user.dan")
	if got := h.touched(now, next); got.All || len(got.Touched) != 1 {
		t.Errorf("after the cut a change touches %+v, want dan in team:red", got)
	}
}

func TestABucketThatIsMadeAnewIsReadAnew(t *testing.T) {
	h := newHouse(t, authz.Config{Follow: follow.Config{Silence: 50 * time.Millisecond}}, func(h *house) {
		h.relate("team.red.member.user.ann", "team.red.member.user.bob")
		h.put("HUB_POLICY", "wiki", `{join: "true"}`)
	})
	h.wantCan("ann", "team:red", wire.Marks{}, 5)
	for _, bucket := range []string{"HUB_RELATIONS", "HUB_POLICY"} {
		if err := h.js.DeleteKeyValue(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Setup(t.Context(), h.nc, subject.Tree{}, store.Config{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	h.relate("team.red.member.user.ann")
	rights := func(user, room string) int {
		got, err := call[wire.JoinAnswer](t, h.nc, "join", wire.JoinAsk{User: user, Rooms: []string{room}})
		var fault *natsconn.Fault
		if errors.As(err, &fault) && fault.Code == wire.Unavailable {
			return -1 // while it is read anew
		}
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Rooms[room].Can)
	}
	eventually(t, "bob is no member", func() bool { return rights("bob", "team:red") == 0 })
	eventually(t, "there are no rules of wikis", func() bool { return rights("ann", "wiki:1") == 0 })
	eventually(t, "ann is one still", func() bool { return rights("ann", "team:red") == 5 })
}

// Facts come and go while many ask: every answer is of one moment, in which ann
// is a member of all three rooms or of none.
func TestAnAnswerIsOfOneMoment(t *testing.T) {
	h := newHouse(t, authz.Config{}, func(h *house) {
		h.relate("project.7.parent.team.red", "task.42.parent.project.7")
	})
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := call[wire.JoinAnswer](t, h.nc, "join", wire.JoinAsk{User: "ann", Rooms: []string{"team:red", "project:7", "task:42"}})
				if err != nil {
					t.Error(err)
					return
				}
				if team, task := got.Rooms["team:red"].Allow, got.Rooms["task:42"].Allow; team != task || team != got.Rooms["project:7"].Allow {
					t.Errorf("of two moments: %+v", got.Rooms)
				}
			}
		})
	}
	for i := range 60 {
		at := h.relate("team.red.member.user.ann")
		h.wantCan("ann", "task:42", wire.Marks{Relations: at}, 5)
		h.put("HUB_POLICY", fmt.Sprint("type-", i), `{join: "true"}`)
		at = h.drop("HUB_RELATIONS", "team.red.member.user.ann")
		h.wantCan("ann", "task:42", wire.Marks{Relations: at}, 0)
	}
	close(done)
	wg.Wait()
}
