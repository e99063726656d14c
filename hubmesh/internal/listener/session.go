package listener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// session is what lives over connections: what was heard, and how the present
// one went.
type session struct {
	cfg   Config
	tell  Teller
	heard places
	own   []string // rooms that every connection of ours is in

	ever      bool          // some connection was made
	connected bool          // this one was
	pause     time.Duration // the gateway, going down, asked us to stay away for that long
	asked     asked
}

// asked is an ask whose ack has not come. The zero asked is none.
type asked struct {
	id     int64
	answer func(hub.Ack) error // carries the ack out
	late   <-chan time.Time
}

// run hears over one connection until it ends.
func (s *session) run(ctx context.Context) error {
	cfg, err := s.cfg.Hub()
	if err != nil {
		return err
	}
	s.asked = asked{}
	cfg.Since = s.heard.sinceAll(s.own)
	dialing, cancel := context.WithTimeout(ctx, s.cfg.AskWait)
	c, err := hub.Dial(dialing, cfg)
	cancel()
	if err != nil {
		return err
	}
	s.welcome(c.Connected())
	err = s.hear(ctx, c)
	closing := c.Close()
	if cause := c.Err(); cause != nil {
		err = cause // it says more than that a write failed
	}
	err = errors.Join(err, closing)
	for e := range c.Events() { // what came before the end; later places lean on it
		err = errors.Join(err, s.take(e))
	}
	return err
}

func (s *session) welcome(hello hub.Connected) {
	s.ever, s.connected = true, true
	s.own = hello.Rooms
	for _, room := range s.own {
		s.heard.begin(room, hello.Position, hello.Missed)
	}
	s.tell.Connected(hello)
}

// rooms is what to ask for.
func (s *session) rooms() (rooms []hub.Room) {
	for _, room := range s.cfg.Rooms {
		if !slices.Contains(s.own, room) {
			rooms = append(rooms, hub.Room{Room: room, Since: s.heard.since(room)})
		}
	}
	return rooms
}

// hear enters the rooms and tells what comes until the connection ends. From
// time to time it asks how far we have heard, so that our place in a quiet
// room does not grow old.
func (s *session) hear(ctx context.Context, c *hub.Client) error {
	if rooms := s.rooms(); len(rooms) > 0 {
		if err := s.ask(c, "subscribe", map[string][]hub.Room{"rooms": rooms}, s.entered); err != nil {
			return err
		}
	}
	pulse := time.NewTicker(max(time.Millisecond, time.Duration(c.Connected().HeartbeatMs)*time.Millisecond))
	defer pulse.Stop()
	for {
		select {
		case e, open := <-c.Events():
			if !open {
				return c.Err()
			}
			if err := s.take(e); err != nil {
				return err
			}
		case <-pulse.C:
			if s.asked.id != 0 {
				continue // one at a time
			}
			if err := s.ask(c, "heartbeat", nil, s.pulse); err != nil {
				return err
			}
		case <-s.asked.late:
			return fmt.Errorf("listener: no answer from the gateway for %v", s.cfg.AskWait)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) ask(c *hub.Client, event string, data any, answer func(hub.Ack) error) error {
	id, err := c.Tell(event, data)
	if err != nil {
		return err
	}
	s.asked = asked{id, answer, time.After(s.cfg.AskWait)}
	return nil
}

// take tells an event, or carries out an ack.
func (s *session) take(e hub.Event) error {
	if e.Ack == nil {
		s.event(e)
		return nil
	}
	if e.Ack.ID != s.asked.id {
		return nil
	}
	answer := s.asked.answer
	s.asked = asked{}
	if e.Ack.Err != nil {
		return e.Ack.Err
	}
	return answer(*e.Ack)
}

func (s *session) event(e hub.Event) {
	if e.Offset > 0 {
		s.heard.event(e.Room, e.Offset)
	}
	if e.Event == "server:shutdown" {
		var data struct {
			ReconnectAfterMs int64 `json:"reconnectAfterMs"`
		}
		if json.Unmarshal(e.Data, &data) == nil { // else we come when we like
			s.pause = time.Duration(data.ReconnectAfterMs) * time.Millisecond
		}
	}
	s.tell.Event(e)
}

func (s *session) pulse(a hub.Ack) error {
	var p hub.Pulse
	if err := json.Unmarshal(a.Data, &p); err != nil {
		return fmt.Errorf("listener: read ack of heartbeat: %w", err)
	}
	s.heard.complete(p.Position)
	return nil
}

func (s *session) entered(a hub.Ack) error {
	var in hub.Subscribed
	if err := json.Unmarshal(a.Data, &in); err != nil {
		return fmt.Errorf("listener: read ack of subscribe: %w", err)
	}
	for _, e := range in.Rooms {
		s.heard.begin(e.Room, hub.Position{Epoch: e.Epoch, Offset: e.Offset}, e.Missed)
	}
	s.tell.Entered(in)
	return refusal(in)
}

// refusal is why it is of no use to stay in no room: for ever, or for now when
// nobody could be asked.
func refusal(s hub.Subscribed) error {
	for _, d := range s.Denied {
		if d.Code == wire.Unavailable {
			return fmt.Errorf("listener: enter %s: %w", d.Room, &hub.Error{Code: d.Code, Message: d.Message})
		}
	}
	if len(s.Rooms) == 0 && len(s.Denied) > 0 {
		return fmt.Errorf("listener: %w", ErrDenied)
	}
	return nil
}
