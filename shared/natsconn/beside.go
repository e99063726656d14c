package natsconn

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Beside opens another connection like nc: to the same servers, as the same
// user, with the same handlers, and what for behind its name. NATS serves a
// connection's questions one after the other, so what may be a flood is asked
// on a connection of its own. The caller closes it.
//
// Handlers of nc's end are left out: they are of nc alone.
func Beside(nc *nats.Conn, what string) (*nats.Conn, error) {
	o := nc.Opts
	o.Name += "-" + what
	o.ClosedCB = nil
	other, err := o.Connect()
	if err != nil {
		return nil, fmt.Errorf("natsconn: connect as %s: %w", o.Name, err)
	}
	return other, nil
}
