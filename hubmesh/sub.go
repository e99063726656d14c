package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/hubmesh/internal/listener"
	"github.com/hubmesh/hubmesh/hubmesh/internal/screen"
)

// sub hears rooms.
type sub struct {
	client
	Rooms []string `arg:"" name:"room" help:"Rooms, such as task:42. Your own room and hub:all are heard in any case."`
	JSON  bool     `help:"Print events as the gateway spelt them, a frame a line."`
	Count int      `short:"n" placeholder:"N" help:"End after so many events."`
}

// Help is what --help adds.
func (*sub) Help() string {
	return "When the connection ends it comes back, with what was missed meanwhile if the gateway still has it. Events go to the standard output, all else to the standard error. Ctrl-C ends it."
}

// Run hears until ctx ends.
func (s *sub) Run(ctx context.Context, c console) error {
	for _, room := range s.Rooms {
		if err := checkRoom(room); err != nil {
			return err
		}
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	p := &printer{console: c, explain: s.explain, json: s.JSON, left: s.Count, enough: enough}
	err := listener.Run(ctx, listener.Config{Hub: s.config, Rooms: s.Rooms}, p)
	if errors.Is(err, listener.ErrDenied) {
		return errors.New("not let into any of these rooms") // why was told for each
	}
	if err != nil {
		return s.explain(err)
	}
	return p.failed
}

// printer is the listener's Teller.
type printer struct {
	console
	explain func(error) error // says it as a person would
	json    bool
	left    int // events until enough; 0: no end
	enough  context.CancelFunc
	failed  error // of writing to the standard output
	here    bool  // a connection was there before
}

func (p *printer) note(format string, v ...any) {
	_, _ = fmt.Fprintf(p.Stderr, format+"\n", v...)
}

// Connected says through whom we hear.
func (p *printer) Connected(hello hub.Connected) {
	again := ""
	if p.here {
		again = " again"
	}
	p.here = true
	p.note("connected%s as %s through gateway %s", again, hello.User, hello.Gateway)
}

// Entered says what we hear from where on, and what we do not.
func (p *printer) Entered(in hub.Subscribed) {
	for _, r := range in.Rooms {
		switch {
		case r.Recovered != nil && !*r.Recovered:
			p.note("hearing %s from offset %d on; what was said before, since we left, cannot be had any more", r.Room, r.Offset)
		case r.Missed > 0:
			p.note("hearing %s; %d events that we missed come first", r.Room, r.Missed)
		default:
			p.note("hearing %s from offset %d on", r.Room, r.Offset)
		}
	}
	for _, d := range in.Denied {
		p.note("not let into %s: %s: %s", d.Room, d.Code, d.Message)
	}
}

// Event prints a line, and ends it all after enough of them.
func (p *printer) Event(e hub.Event) {
	if p.failed != nil {
		return
	}
	line := string(e.Raw)
	if !p.json {
		line = screen.Event(e, time.Now(), p.Style)
	}
	if _, p.failed = io.WriteString(p.Stdout, line+"\n"); p.failed != nil {
		p.enough() // nobody reads us
		return
	}
	if p.left--; p.left == 0 {
		p.enough()
	}
}

// Away says that we hear nothing for a while.
func (p *printer) Away(why error, again time.Duration) {
	p.note("away: %v; trying again in %v", p.explain(why), again.Round(10*time.Millisecond))
}
