package main

import (
	"context"
	"fmt"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// pub publishes one event.
type pub struct {
	client
	Room    string `arg:"" help:"Room, such as task:42."`
	Event   string `arg:"" help:"Event's name, such as task:update."`
	Data    string `arg:"" name:"json" help:"Its data, such as '{\"title\":\"Ship it\"}'."`
	Durable bool   `help:"Store it, so that who is away gets it later. Without, it is a signal: now or never."`
}

// Help is what --help adds.
func (*pub) Help() string { return "Prints the offset where the event is stored, or that it was sent." }

// Run publishes, and says where it is stored.
func (p *pub) Run(ctx context.Context, c console) error {
	if err := checkRoom(p.Room); err != nil {
		return err
	}
	if err := checkEvent(p.Event); err != nil {
		return err
	}
	data, err := checkJSON(p.Data)
	if err != nil {
		return err
	}
	return p.ask(ctx, func(ctx context.Context, conn *hub.Client) error {
		offset, err := conn.Publish(ctx, hub.Publication{Room: p.Room, Event: p.Event, Data: data, Durable: p.Durable})
		if err != nil {
			return err
		}
		said := "sent to " + p.Room
		if p.Durable {
			said = fmt.Sprintf("stored in %s at offset %d", p.Room, offset)
		}
		_, err = fmt.Fprintln(c.Stdout, said)
		return err
	})
}
