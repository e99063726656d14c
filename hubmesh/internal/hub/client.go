package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// byeWait bounds the wait for the gateway's answer to our close frame.
const byeWait = 2 * time.Second

// Client is an authenticated connection. It is safe for concurrent use. One
// goroutine of its own reads the socket, from Dial until Close or Cut, which
// wait for its end: acks could not be told from events otherwise.
type Client struct {
	socket *Socket
	hello  Connected
	events chan Event

	stop context.CancelFunc // the owner hears no more: what still comes is thrown away
	done chan struct{}      // the reader has ended; err is set before
	err  error

	mu      sync.Mutex // guards the fields below; never held over a write
	lastID  int64
	waiting map[int64]chan Ack // each holds one; nil: it goes among the events
}

// Dial connects, authenticates as cfg says, and returns when the gateway has
// said that we are connected. A gateway that does not want us is a *Refused in
// the handshake, and an *Error or a *Closed after it.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	socket, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	unread := cfg.Unread
	if unread == 0 {
		unread = defaultUnread
	}
	c := &Client{
		socket: socket, events: make(chan Event, unread), done: make(chan struct{}),
		waiting: map[int64]chan Ack{},
	}
	if err := c.greet(ctx, cfg); err != nil {
		return nil, errors.Join(err, socket.Cut())
	}
	return c, nil
}

// greet brings the token if it goes by frame, waits for the greeting and
// starts the reader.
func (c *Client) greet(ctx context.Context, cfg Config) error {
	var id int64
	var admitted chan Ack
	if cfg.Bring == ByFrame {
		id, admitted = c.expect()
		defer c.forget(id)
		if err := c.send(ask{id, "auth", authData(cfg)}); err != nil {
			return err
		}
	}
	raw, err := c.socket.Read(ctx)
	if err != nil {
		return err
	}
	f, err := readFrame(raw.Body)
	if err != nil {
		return err
	}
	if f.Error != nil {
		return f.Error.err()
	}
	if f.Event.Event != "connected" {
		return fmt.Errorf("hub: greeting: want connected, got %q", f.Event.Event)
	}
	if err := json.Unmarshal(f.Data, &c.hello); err != nil {
		return fmt.Errorf("hub: read greeting: %w", err)
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx)) // ctx bounds the dialling only
	c.stop = stop
	go c.read(reading)
	if admitted == nil {
		return nil
	}
	if _, err := c.await(ctx, admitted); err != nil {
		return errors.Join(err, c.Cut())
	}
	return nil
}

func authData(cfg Config) any {
	data := struct {
		Token string    `json:"token"`
		Since *Position `json:"since,omitempty"`
	}{Token: cfg.Token}
	if cfg.Since.Epoch != "" {
		data.Since = &cfg.Since
	}
	return data
}

// Connected is the gateway's greeting.
func (c *Client) Connected() Connected { return c.hello }

// Events is what the gateway says, in its order: without the greeting, and
// without acks but those of Tell. It is closed when the connection has ended; Err then tells why.
func (c *Client) Events() <-chan Event { return c.events }

// Err waits for the connection's end and tells why it ended: a *Closed when
// the gateway said so, or what broke. It is nil after Close or Cut of one's
// own.
func (c *Client) Err() error {
	<-c.done
	return c.err
}

// read hands out what comes until the socket ends. Until stop it waits for the
// reader of Events; afterwards it only looks for the gateway's close frame.
func (c *Client) read(stopped context.Context) {
	defer close(c.done)
	defer close(c.events)
	for {
		raw, err := c.socket.Read(context.WithoutCancel(stopped))
		if err != nil {
			if stopped.Err() == nil {
				c.err = err
			}
			return
		}
		f, err := readFrame(raw.Body)
		if err != nil {
			c.err = errors.Join(err, c.socket.Cut())
			return
		}
		if f.AckID != nil {
			f.Event = Event{Raw: raw.Body, Ack: &Ack{*f.AckID, f.Data, f.Error.err()}}
			if !c.acked(*f.Ack) {
				continue
			}
		}
		if stopped.Err() != nil {
			continue // what was handed out stays without holes
		}
		select {
		case c.events <- f.Event:
		case <-stopped.Done():
		}
	}
}

// expect makes a place for the ack of a new id.
func (c *Client) expect() (id int64, ack chan Ack) {
	ack = make(chan Ack, 1)
	return c.register(ack), ack
}

func (c *Client) register(ack chan Ack) (id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	c.waiting[c.lastID] = ack
	return c.lastID
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

// acked hands an ack to who waits, and reports whether it goes among the events
// instead. One that nobody waits for any more, because its context ended, is
// thrown away.
func (c *Client) acked(a Ack) (told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ack, ok := c.waiting[a.ID]
	delete(c.waiting, a.ID)
	if ok && ack != nil {
		ack <- a
	}
	return ok && ack == nil
}

func (c *Client) await(ctx context.Context, ack chan Ack) (json.RawMessage, error) {
	select {
	case a := <-ack:
		return a.Data, a.Err
	case <-c.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("hub: wait for the ack: %w", ctx.Err())
	}
	select {
	case a := <-ack: // it came just before the end
		return a.Data, a.Err
	default:
	}
	if c.err == nil {
		return nil, ErrEnded
	}
	return nil, c.err
}

func (c *Client) send(a ask) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("hub: spell %s: %w", a.Event, err)
	}
	return c.socket.Send(Frame{Body: text})
}

// Socket is what the client speaks through, for frames that it would not send.
// Its Read is the client's.
func (c *Client) Socket() *Socket { return c.socket }

// Close says goodbye, waits up to 2 s for the gateway to answer, and ends the
// connection. What waits in Events can still be read; what comes later is
// thrown away. It may be called again.
func (c *Client) Close() error {
	c.stop()
	if err := c.socket.Bye(1000, ""); err == nil {
		late := time.NewTimer(byeWait)
		defer late.Stop()
		select {
		case <-c.done:
		case <-late.C:
		}
	}
	return c.Cut()
}

// Cut ends the connection without a word, as a lost network would.
func (c *Client) Cut() error {
	c.stop()
	err := c.socket.Cut()
	<-c.done
	return err
}
