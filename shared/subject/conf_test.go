package subject_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// fromConf runs a real server on the nats.conf of this repository, with the
// user's name as each password. Only where it listens and stores is the test's.
func fromConf(t *testing.T) *server.Server {
	t.Helper()
	for _, p := range (subject.Tree{}).Users() {
		t.Setenv(subject.PasswordVariable(p.User), "the-"+p.User)
	}
	opts, err := server.ProcessConfigFile("../../nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	opts.DontListen, opts.HTTPPort, opts.NoSigs, opts.NoLog = true, 0, true, true
	opts.StoreDir = t.TempDir()
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("server on nats.conf is not ready")
	}
	return s
}

func login(t *testing.T, s *server.Server, user string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(user, "the-"+user),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// may does one thing on a connection of its own, and reports whether the
// server let it. A refusal is not the answer to what was done: it comes on the
// same connection, before the answer to the flush.
func may(t *testing.T, s *server.Server, user string, do func(*nats.Conn) error) bool {
	t.Helper()
	nc := login(t, s, user)
	defer nc.Close()
	if err := do(nc); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError()
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		t.Fatal(err)
	}
	return err == nil
}

func TestNATSConfGivesEachUserItsWorkAndNoMore(t *testing.T) {
	type rights struct{ says, saysNot, hears, hearsNot string }
	const anybodysBusiness = "hub.stored.task.42 hub.kv.gateways.g1 $JS.API.STREAM.CREATE.HUB_EVENTS " +
		"$JS.API.STREAM.DELETE.HUB_EVENTS $JS.API.STREAM.PURGE.KV_HUB_GATEWAYS $JS.API.CONSUMER.CREATE.HUB_EVENTS " +
		"hub.event.task hub.event.task.42.x hub.told.a other.thing _INBOX_gateway.a "
	for user, r := range map[string]rights{
		subject.Gateway: {
			says: "hub.event.task.42 hub.live.task.42 hub.call.task.create hub.gw.probe.g1 hub.svc.authz.join hub.svc.ratelimit.take " +
				"$KV.HUB_GATEWAYS.g1 $JS.API.STREAM.INFO.HUB_EVENTS $JS.API.DIRECT.GET.HUB_EVENTS $JS.API.STREAM.MSG.GET.HUB_EVENTS",
			saysNot:  anybodysBusiness + "hub.conn.g1.g1-1 $KV.HUB_QUOTA.a $JS.API.STREAM.INFO.KV_HUB_QUOTA $SRV.PING",
			hears:    "hub.stored.*.* hub.live.task.42 hub.conn.g1.* hub.gw.probe.g1 _INBOX_gateway.> $SRV.PING",
			hearsNot: "hub.> hub.event.*.* hub.call.> hub.svc.authz.connect hub.svc.presence.gateways _INBOX.> _INBOX_authz.>",
		},
		subject.Presence: {
			says:     "$JS.API.STREAM.INFO.KV_HUB_GATEWAYS $JS.API.DIRECT.GET.KV_HUB_GATEWAYS",
			saysNot:  anybodysBusiness + "hub.event.task.42 hub.live.task.42 hub.conn.g1.g1-1 $KV.HUB_GATEWAYS.g1 hub.svc.authz.join",
			hears:    "hub.svc.presence.gateways hub.kv.gateways.* _INBOX_presence.> $SRV.PING",
			hearsNot: "hub.> hub.stored.*.* hub.live.*.* hub.conn.*.* hub.svc.authz.connect _INBOX.> _INBOX_gateway.>",
		},
		subject.Authz: {
			saysNot:  anybodysBusiness + "hub.event.task.42 hub.live.task.42 hub.conn.g1.g1-1 $KV.HUB_GATEWAYS.g1 hub.svc.authz.join",
			hears:    "hub.svc.authz.connect hub.svc.authz.join _INBOX_authz.> $SRV.PING",
			hearsNot: "hub.> hub.stored.*.* hub.live.*.* hub.conn.*.* hub.svc.presence.gateways _INBOX.> _INBOX_gateway.>",
		},
		subject.Ratelimit: {
			says:     "$KV.HUB_QUOTA.user=2emessages.ann $JS.API.DIRECT.GET.KV_HUB_QUOTA $JS.API.STREAM.MSG.GET.KV_HUB_QUOTA $JS.API.STREAM.CREATE.KV_HUB_QUOTA",
			saysNot:  anybodysBusiness + "hub.event.task.42 hub.live.task.42 hub.conn.g1.g1-1 $KV.HUB_GATEWAYS.g1 hub.svc.authz.join",
			hears:    "hub.svc.ratelimit.take _INBOX_ratelimit.> $SRV.PING",
			hearsNot: "hub.> hub.stored.*.* hub.live.*.* hub.conn.*.* hub.svc.authz.connect _INBOX.> _INBOX_gateway.>",
		},
		subject.Backend: {
			says:     "hub.event.task.42 hub.live.task.42 hub.conn.g1.g1-1 hub.svc.presence.gateways",
			saysNot:  anybodysBusiness + "hub.call.task.create hub.svc.authz.join hub.gw.probe.g1 $KV.HUB_GATEWAYS.g1",
			hears:    "hub.call.> _INBOX_backend.> _INBOX.> $SRV.PING",
			hearsNot: "hub.> hub.stored.*.* hub.live.*.* hub.conn.*.* hub.svc.authz.connect _INBOX_gateway.>",
		},
		subject.Admin: {
			says:     "$JS.API.STREAM.CREATE.HUB_EVENTS $KV.HUB_GATEWAYS.g1 hub.event.task.42 hub.conn.g1.g1-1 hub.svc.authz.join $SRV.PING",
			saysNot:  "hub.stored.task.42 hub.kv.gateways.g1 other.thing",
			hears:    "hub.> _INBOX.> _INBOX_admin.>",
			hearsNot: "> _INBOX_gateway.> _INBOX_authz.>",
		},
	} {
		t.Run(user, func(t *testing.T) {
			s := fromConf(t)
			check := func(subjects string, verb string, want bool, do func(*nats.Conn, string) error) {
				for _, subj := range strings.Fields(subjects) {
					if got := may(t, s, user, func(nc *nats.Conn) error { return do(nc, subj) }); got != want {
						t.Errorf("%s may %s %s: %v, want %v", user, verb, subj, got, want)
					}
				}
			}
			say := func(nc *nats.Conn, subj string) error { return nc.Publish(subj, nil) }
			hear := func(nc *nats.Conn, subj string) error { _, err := nc.SubscribeSync(subj); return err }
			check(r.says, "say", true, say)
			check(r.saysNot, "say", false, say)
			check(r.hears, "hear", true, hear)
			check(r.hearsNot, "hear", false, hear)
		})
	}
}

func TestWhoMayOnlyAnswerAnswersOnceWhoeverAsked(t *testing.T) {
	s := fromConf(t)
	authz, gateway := login(t, s, subject.Authz), login(t, s, subject.Gateway)
	asked := subject.Tree{}.Svc(subject.Authz, "join")
	if _, err := authz.Subscribe(asked, func(m *nats.Msg) {
		if err := m.Respond([]byte("no")); err != nil {
			t.Errorf("answer: %v", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := authz.Flush(); err != nil {
		t.Fatal(err)
	}
	inbox := subject.Inbox(subject.Gateway) + ".1"
	answers, err := gateway.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.PublishRequest(asked, inbox, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := answers.NextMsg(10 * time.Second); err != nil {
		t.Fatalf("answer of a user that may publish nothing: %v", err)
	}
	if err := authz.Publish(inbox, []byte("and again")); err != nil {
		t.Fatal(err)
	}
	if err := authz.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := authz.LastError(); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("a second answer: %v, want it refused", err)
	}
}

func TestNATSConfRefusesToStartWithoutItsPasswords(t *testing.T) {
	if _, err := server.ProcessConfigFile("../../nats.conf"); err == nil || !strings.Contains(err.Error(), "_PASSWORD") {
		t.Errorf("no password is set: %v, want an error that names a variable", err)
	}
}

func TestNATSConfIsDurableAndTakesTheLargestMessages(t *testing.T) {
	s := fromConf(t)
	if got := s.JetStreamConfig(); got == nil || !got.SyncAlways {
		t.Errorf("JetStream is %+v, want it on the disk at once", got)
	}
	if got := login(t, s, subject.Backend).MaxPayload(); got < 1<<20+8<<10 {
		t.Errorf("max_payload %d leaves no room for a message of 1 MiB", got)
	}
}
