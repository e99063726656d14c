package demo_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/authz"
	"github.com/hubmesh/hubmesh/gateway"
	"github.com/hubmesh/hubmesh/hubmesh/internal/chromiumtest"
	"github.com/hubmesh/hubmesh/hubmesh/internal/demo"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
	"github.com/hubmesh/hubmesh/shared/natsconn"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

var shots = flag.String("shots", "", "folder to put pictures of the page into, to be looked at")

const secret = "a secret that is long enough for HS256"

// evilTask is a title that would be harm as HTML.
const evilTask = `<img src=x onerror="document.title='broken into'">`

// kept is how many events the room keeps, so that more than that are soon said.
const kept = 5

// house is a mesh with the page, served until the test's end.
func house(t testing.TB) *mesh.Mesh {
	t.Helper()
	quiet := obs.Kit{Log: slog.New(slog.DiscardHandler), Registry: obs.NewRegistry()}
	var m *mesh.Mesh
	page := demo.Config{Log: quiet.Log, Login: func() natsconn.Config { return m.Login(subject.Backend) }}
	for _, name := range []string{"ann", "bob"} {
		token, err := authz.Mint(secret, name, map[string]any{"rooms": []string{"task:*"}}, time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		page.Users = append(page.Users, demo.User{Name: name, Token: token})
	}
	handler, err := demo.Handler(page)
	if err != nil {
		t.Fatal(err)
	}
	m, err = mesh.Start(t.Context(), mesh.Config{
		Dir: t.TempDir(), NATSListen: "127.0.0.1:0", Authz: authz.Config{Secret: secret},
		Store:   store.Config{EventMaxPerRoom: kept},
		Gateway: gateway.Config{ID: "demo", Listen: "127.0.0.1:0", Drain: time.Second, Demo: handler},
	}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- m.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return m
}

// side is one user on the page.
type side struct {
	t    testing.TB
	b    *chromiumtest.Browser
	name string
}

func (s side) part(selector string) string {
	return fmt.Sprintf("document.querySelector(%q)", "#side-"+s.name+" "+selector)
}

func (s side) says(act, text string) {
	s.t.Helper()
	s.b.Eval(s.part(".say input") + ".value = " + fmt.Sprintf("%q", text))
	s.b.Eval(s.part("[value="+act+"]") + ".click()")
}

func (s side) adds(title string) {
	s.t.Helper()
	s.b.Eval(s.part(".add input") + ".value = " + fmt.Sprintf("%q", title))
	s.b.Eval(s.part(".add") + ".requestSubmit()")
}

// finishes presses the task, which moves it from one column to the other.
func (s side) finishes(title string) {
	s.t.Helper()
	s.b.Eval(fmt.Sprintf("[...%s.querySelectorAll('.todo .task')].find((task) => task.textContent === %q).click()", s.part(".board"), title))
}

// has waits until a column of the board holds just these tasks.
func (s side) has(column string, titles ...string) {
	s.t.Helper()
	column = s.part("." + column)
	s.b.Until(fmt.Sprintf("[...%s.querySelectorAll('.task')].map((task) => task.textContent).join() === %q", column, strings.Join(titles, ",")), column+".innerText")
}

func (s side) hears(text string) {
	s.t.Helper()
	s.b.Until(fmt.Sprintf("%s.innerText.includes(%q)", s.part(".said"), text), s.part(".said")+".innerText")
}

// shows waits until a part of the side is just this text.
func (s side) shows(selector, text string) {
	s.t.Helper()
	s.b.Until(fmt.Sprintf("%s.textContent === %q", s.part(selector), text), s.part(selector)+".textContent")
}

// here waits until the side shows just these users as here; one that is "" does
// not count.
func (s side) here(users ...string) {
	s.t.Helper()
	users = slices.DeleteFunc(users, func(user string) bool { return user == "" })
	list := fmt.Sprintf("[...%s.children].map((li) => li.textContent).sort().join()", s.part(".here"))
	s.b.Until(fmt.Sprintf("%s === %q", list, strings.Join(users, ",")), list)
}

func (s side) is(state string) {
	s.t.Helper()
	s.b.Until(fmt.Sprintf("%s?.dataset.is === %q", s.part(".state"), state), "document.body.innerText")
}

func TestThePageIsATeamAtItsBoardABackendAndACutNetwork(t *testing.T) {
	m := house(t)
	b := chromiumtest.Start(t)
	b.Size(1280, 1100, "light")
	b.Open("http://" + m.Gateways()[0].Addr().String() + "/")
	ann, bob := side{t, b, "ann"}, side{t, b, "bob"}
	for _, s := range []side{ann, bob} {
		s.is("connected")
		s.hears("In task:42")
	}

	ann.adds("Write the docs")
	bob.has("todo", "Write the docs")
	bob.finishes("Write the docs")
	ann.has("done", "Write the docs")
	ann.has("todo")
	ann.says("publish", "Hello Bob")
	bob.hears("Hello Bob")
	bob.says("signal", "A glance")
	ann.hears("A glance")
	b.Eval(`document.querySelector("#backend [value=yes]").click()`)
	bob.has("todo", "Ship it")
	b.Until(`document.getElementById("result").textContent === "Stored from hub.event.task.42 at offset 4"`, `document.getElementById("result").textContent`)

	bob.says("call", "a task")
	bob.hears("task:create failed: no_handler")
	answerTasks(t, m)
	bob.says("call", "a task")
	bob.hears(`A backend answered task:create: {"id":7}`)

	ann.adds(evilTask)
	bob.has("todo", "Ship it", evilTask)
	whoIsHere(b, ann, bob)
	whatACutNetworkBrings(t, b, ann, bob)
	picture(t, b, "narrow", 390, 2400, "dark")
	if got := b.Eval("document.title"); got != "hubmesh dev" {
		t.Errorf("the page's title is %q: what was said became HTML", got)
	}
	if faults := b.Faults(); len(faults) > 0 {
		t.Errorf("the console shows errors:\n%s", strings.Join(faults, "\n"))
	}
}

// whoIsHere has bob change his status and write, which ann sees.
func whoIsHere(b *chromiumtest.Browser, ann, bob side) {
	b.Eval(bob.part(".say input") + `.dispatchEvent(new Event("input", { bubbles: true }))`)
	ann.shows(".typing", "bob typing…")
	for _, set := range []struct{ status, here string }{{"away", "bob, away"}, {"invisible", ""}, {"busy", "bob, busy"}} {
		b.Eval(fmt.Sprintf("%[1]s.value = %[2]q; %[1]s.dispatchEvent(new Event('change'))", bob.part(".status"), set.status))
		ann.here("ann", set.here)
		bob.here("ann", "bob, "+set.status)
	}
	bob.says("signal", "That is all")
	ann.shows(".typing", "")
}

// whatACutNetworkBrings cuts bob's twice: for less than the log keeps, and for
// more.
func whatACutNetworkBrings(t *testing.T, b *chromiumtest.Browser, ann, bob side) {
	t.Helper()
	cut := bob.part(".cut") + ".click()"
	b.Eval(cut)
	bob.is("cut")
	ann.says("publish", "Bob, are you there?")
	ann.hears("Bob, are you there?")
	bob.says("publish", "I speak into the void")
	bob.hears("It waits for the network")
	picture(t, b, "cut", 1280, 1100, "dark")
	b.Eval(cut)
	bob.is("connected")
	bob.hears("Back in task:42, recovered: true")
	bob.hears("Bob, are you there?")
	ann.hears("I speak into the void")
	picture(t, b, "wide", 1280, 1100, "light")

	b.Eval(cut)
	bob.is("cut")
	for n := range kept + 1 {
		ann.says("publish", fmt.Sprintf("Of more than is kept, number %d", n))
	}
	ann.hears(fmt.Sprintf("number %d", kept))
	ann.adds("The newest")
	ann.has("todo", "Ship it", evilTask, "The newest")
	b.Eval(cut)
	bob.hears(fmt.Sprintf("Back in task:42, recovered: false; what was stored after #7 and up to #%d is not told again", 7+kept+2))
	bob.hears(fmt.Sprintf("The board is made anew of the log's newest %d", kept))
	bob.has("todo", "The newest")
	if got := b.Eval(bob.part(".said") + ".innerText"); strings.Contains(got, "Of more than is kept") {
		t.Errorf("bob heard a part of what he missed:\n%s", got)
	}
}

// answerTasks is a backend.
func answerTasks(t testing.TB, m *mesh.Mesh) {
	t.Helper()
	nc, err := nats.Connect(m.NATSURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if _, err := nc.Subscribe("hub.call.task.create", func(m *nats.Msg) { _ = m.Respond([]byte(`{"id":7}`)) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// picture is taken where one was asked for.
func picture(t testing.TB, b *chromiumtest.Browser, name string, width, height int, scheme string) {
	t.Helper()
	if *shots == "" {
		return
	}
	b.Size(width, height, scheme)
	b.Eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
	b.Shot(*shots, name)
	b.Size(1280, 1100, "light")
}
