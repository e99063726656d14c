package main

import (
	"context"
	"fmt"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

// call asks a backend.
type call struct {
	client
	Event string `arg:"" help:"Event's name, such as task:create."`
	Data  string `arg:"" optional:"" default:"null" name:"json" help:"Its data, such as '{\"title\":\"Ship it\"}'."`
}

// Help is what --help adds.
func (*call) Help() string {
	return "Prints the answer's JSON. A backend answers on the subject hub.call.task.create; one that is not there is told at once."
}

// Run asks, and prints the answer.
func (a *call) Run(ctx context.Context, c console) error {
	if err := checkEvent(a.Event); err != nil {
		return err
	}
	data, err := checkJSON(a.Data)
	if err != nil {
		return err
	}
	return a.ask(ctx, func(ctx context.Context, conn *hub.Client) error {
		answer, err := conn.Ask(ctx, a.Event, data)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%s\n", answer)
		return err
	})
}
