package hub

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Ask sends an event and waits for its ack. An ack that is an error is an
// *Error. Names that the gateway does not know are asked of a backend.
func (c *Client) Ask(ctx context.Context, event string, data any) (json.RawMessage, error) {
	id, ack := c.expect()
	defer c.forget(id)
	if err := c.send(ask{id, event, data}); err != nil {
		select {
		case <-c.done:
			return c.await(ctx, ack) // how it ended says more than "broken pipe"
		default:
			return nil, err
		}
	}
	return c.await(ctx, ack)
}

// Tell sends an event and does not wait: its ack comes as an Event whose Ack
// has this id. So whoever reads knows what came before the answer and what
// after it.
func (c *Client) Tell(event string, data any) (id int64, err error) {
	id = c.register(nil)
	if err := c.send(ask{id, event, data}); err != nil {
		c.forget(id)
		return 0, err
	}
	return id, nil
}

// askFor is Ask with its ack read as Out.
func askFor[Out any](ctx context.Context, c *Client, event string, data any) (Out, error) {
	var out Out
	ack, err := c.Ask(ctx, event, data)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(ack, &out); err != nil {
		return out, fmt.Errorf("hub: read ack of %s: %w", event, err)
	}
	return out, nil
}

// Room is a room to enter, and what of its past is wanted.
type Room struct {
	Room  string    `json:"room"`
	Since *Position `json:"since,omitempty"` // what was heard already
	Last  int       `json:"last,omitempty"`  // that many of the newest; 0: none
}

// Subscribed is what Subscribe led to: a room is in one list or the other.
type Subscribed struct {
	Rooms  []Entered `json:"rooms"`
	Denied []Denied  `json:"denied"`
}

// Entered is a room that we are in from Offset on.
type Entered struct {
	Room      string `json:"room"`
	Offset    uint64 `json:"offset"`
	Epoch     string `json:"epoch"`
	Recovered *bool  `json:"recovered"` // nil: no position was given
	Missed    int    `json:"missed"`    // events that follow the ack
}

// Denied is a room that we are not in, and why.
type Denied struct {
	Room    string    `json:"room"`
	Code    wire.Code `json:"code"`
	Message string    `json:"message"`
}

// Subscribe enters rooms.
func (c *Client) Subscribe(ctx context.Context, rooms ...Room) (Subscribed, error) {
	return askFor[Subscribed](ctx, c, "subscribe", map[string][]Room{"rooms": rooms})
}

// Unsubscribe leaves rooms.
func (c *Client) Unsubscribe(ctx context.Context, rooms ...string) error {
	_, err := c.Ask(ctx, "unsubscribe", map[string][]string{"rooms": rooms})
	return err
}

// Publication is an event to publish: Data, or Base64 for bytes.
type Publication struct {
	Room    string          `json:"room"`
	Event   string          `json:"event"`
	Data    json.RawMessage `json:"data,omitempty"`
	Base64  []byte          `json:"base64,omitempty"`
	Durable bool            `json:"durable,omitempty"`
	Key     string          `json:"key,omitempty"` // stored once within 2 min under the same one
	Echo    bool            `json:"echo,omitempty"`
}

// Publish publishes an event. The offset is 0 for a signal; for a durable
// event it is where it is stored, which it is before the ack.
func (c *Client) Publish(ctx context.Context, p Publication) (offset uint64, err error) {
	ack, err := askFor[struct {
		Offset uint64 `json:"offset"`
	}](ctx, c, "publish", p)
	return ack.Offset, err
}

// Pulse is a heartbeat's ack: every room of this connection is complete up to
// Position.
type Pulse struct {
	Time     int64    `json:"time"` // unix ms
	Position Position `json:"position"`
}

// Heartbeat asks how far the connection has heard.
func (c *Client) Heartbeat(ctx context.Context) (Pulse, error) {
	return askFor[Pulse](ctx, c, "heartbeat", nil)
}

// Refresh brings a new token of the same user, and returns when it expires, in
// unix ms; 0: never.
func (c *Client) Refresh(ctx context.Context, token string) (expiresAt int64, err error) {
	ack, err := askFor[struct {
		ExpiresAt int64 `json:"expiresAt"`
	}](ctx, c, "auth:refresh", map[string]string{"token": token})
	return ack.ExpiresAt, err
}
