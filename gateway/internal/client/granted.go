package client

import (
	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/limit"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// connectionRooms is the name of the limit of rooms entered at once, a plain
// number.
const connectionRooms = "connection.rooms"

// granted is limits that authz gave one connection, in place of the house's.
type granted struct{ messages, signals quota.Rule }

// rules are the limits that hold for the connection.
func (c *Client) rules() (messages, signals *quota.Rule) {
	if c.granted != nil {
		return &c.granted.messages, &c.granted.signals
	}
	return &c.house.messages, &c.house.signals
}

// grant lets limits hold that authz gave by their names. Those that are not a
// connection's own, or cannot be read, change nothing.
func (c *Client) grant(limits map[string]string) {
	if len(limits) == 0 {
		return
	}
	g := granted{c.house.messages, c.house.signals}
	for name, text := range limits {
		l, err := limit.Parse(text)
		switch {
		case err != nil:
			c.house.badLimit.Do(func() {
				c.house.log.Warn("client: a limit that authz gives cannot be read; the first of them is", "limit", name, obs.Err, err)
			})
		case name == limit.ConnectionMessages:
			g.messages = quota.MessageRule(l)
		case name == limit.ConnectionSignals:
			g.signals = quota.SignalRule(l)
		case name == connectionRooms && !l.Timed():
			c.sess.AllowRooms(l.Count)
		}
	}
	c.granted = &g
}
