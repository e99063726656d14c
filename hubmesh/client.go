package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
	"github.com/hubmesh/hubmesh/shared/env"
	names "github.com/hubmesh/hubmesh/shared/subject"
)

const (
	// answerWait bounds one answer of the gateway, which itself gives a backend
	// 10 s.
	answerWait = 15 * time.Second

	// clientTTL is how long a token is valid that a client makes for itself.
	clientTTL = time.Hour
)

// client is the flags of commands that connect to a gateway.
type client struct {
	URL   string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"Where the gateway listens (${default})."`
	Token string `help:"Token to connect with. Without it, one is made with the configured secret, or with that of hubmesh dev in this folder."`
	As    string `default:"ann" placeholder:"USER" help:"User to make that token for (${default})."`

	keys keys
}

func (c *client) bind(set *env.Set) { c.keys.bind(set) }

// config says how to connect. A token that we make is a new one each time.
func (c *client) config() (hub.Config, error) {
	cfg := hub.Config{URL: c.URL, Token: c.Token}
	if cfg.Token != "" {
		return cfg, nil
	}
	made, err := c.keys.mint(c.As, tryRooms(), clientTTL)
	if errors.Is(err, datadir.ErrNoSecret) {
		return cfg, fmt.Errorf("no token: give one with --token, or run this in the folder of a running `hubmesh dev` (there is no secret in %s)", c.keys.dir)
	}
	cfg.Token = made
	return cfg, err
}

// ask connects, asks once, and ends the connection.
func (c *client) ask(ctx context.Context, ask func(context.Context, *hub.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	cfg, err := c.config()
	if err != nil {
		return err
	}
	conn, err := hub.Dial(ctx, cfg)
	if err != nil {
		return c.explain(err)
	}
	if err := ask(ctx, conn); err != nil {
		return errors.Join(c.explain(err), conn.Close())
	}
	return conn.Close()
}

// explain says what a person can do about an error of a connection.
func (c *client) explain(err error) error {
	at := c.URL
	if u, bad := url.Parse(c.URL); bad == nil && u.Host != "" {
		at = u.Host
	}
	var (
		dial    *net.OpError
		refused *hub.Refused
		fault   *hub.Error
	)
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("no gateway at %s: start one with `hubmesh dev`, or say with --url where it is", at)
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && c.Token == "":
		return fmt.Errorf("the gateway at %s does not take our token (%s): is its secret that of %s? Else bring a token with --token", at, refused.Message, c.keys.where())
	case errors.As(err, &refused) && refused.Code != "":
		return fmt.Errorf("the gateway at %s refuses us: %s: %s", at, refused.Code, refused.Message)
	case errors.As(err, &refused):
		return fmt.Errorf("what answers at %s is no gateway of hubmesh (HTTP %d)", at, refused.Status)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from the gateway at %s within %v", at, answerWait)
	case errors.As(err, &fault):
		return fault
	}
	return err
}

// checkRoom says what is wrong with a room's name before anybody is asked.
func checkRoom(room string) error {
	if _, err := names.ParseRoom(room); err != nil {
		return usage{fmt.Errorf("%q is no room: want type:id, such as task:42; the type in small letters", room)}
	}
	return nil
}

func checkEvent(event string) error {
	if !names.ValidEvent(event) {
		return usage{fmt.Errorf("%q is no event: want a name such as task:update, 1 to %d bytes, with nothing empty between colons", event, names.MaxEvent)}
	}
	return nil
}

// checkJSON says what is wrong with data. Shells take the quotes that JSON
// needs, so that is the likely fault.
func checkJSON(text string) (json.RawMessage, error) {
	data := json.RawMessage(text)
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, usage{fmt.Errorf(`%s is no JSON (%w): put it in single quotes, '{"title":"Ship it"}', and a mere text in both, '"hello"'`, text, err)}
	}
	return data, nil
}
