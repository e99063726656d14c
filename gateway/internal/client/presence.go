package client

import (
	"slices"

	"github.com/hubmesh/hubmesh/gateway/internal/frame"
	"github.com/hubmesh/hubmesh/gateway/internal/here"
	"github.com/hubmesh/hubmesh/gateway/internal/session"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// infoClaim is the claim of a token that others are shown.
const infoClaim = "info"

// attend makes the connection known to presence. It was greeted before, so that
// nothing that it is told of anyone comes first.
func (c *Client) attend() {
	c.here = c.house.here.Open(here.Who{
		ID: c.ID(), User: c.sess.User(), Door: c.caller.Door, IP: c.caller.IP, Info: c.sess.Claims()[infoClaim],
	}, c.member)
}

// depart says that the connection has ended, and why, if it was ever made known.
func (c *Client) depart() {
	if c.here != nil {
		end, _ := c.Outbox().End()
		c.house.here.End(c.here, end.String())
	}
}

// appear puts the client into rosters and finds out who is in them.
func (c *Client) appear(d session.Appear) {
	c.house.here.Appear(c.here, d.Rooms, func(stays []*here.Stay) {
		c.post(func() {
			if c.sess.Over() {
				return
			}
			if c.stays == nil {
				c.stays = map[session.Tag][]*here.Stay{}
			}
			c.stays[d.Tag] = stays
			found := make([]session.Roster, len(stays))
			for i, s := range stays {
				found[i] = session.Roster{Users: s.Roster.Users, Counts: s.Roster.Counts, More: s.Roster.Next != "", Code: s.Code}
			}
			c.carry(c.sess.Appeared(d.Tag, found))
		})
	})
}

// stay lets the client hear of those in the rooms of whose rosters it was told
// just now.
func (c *Client) stay(d session.Enter) {
	stays := c.stays[d.Appeared]
	delete(c.stays, d.Appeared)
	for _, s := range stays {
		if slices.Contains(d.Here, s.Room) && !c.house.here.Enter(s) {
			c.carry(c.sess.End(frame.Restart))
			return
		}
	}
	for _, room := range d.Watch {
		c.house.here.Watch(c.here, room)
	}
}

// vanish takes the client out of rosters.
func (c *Client) vanish(rooms ...subject.Room) {
	c.house.here.Leave(c.here, rooms)
}

func (c *Client) declare(d session.Declare) {
	c.house.here.Say(c.here, d.Status, func(p frame.Problem) {
		c.post(func() { c.carry(c.sess.Declared(d.Tag, p)) })
	})
}

func (c *Client) askRoster(d session.AskRoster) {
	c.house.here.Page(c.here, d.Room, d.After, func(page frame.Here, p frame.Problem) {
		c.post(func() { c.carry(c.sess.Rostered(d.Tag, page, p)) })
	})
}

func (c *Client) askUsers(d session.AskUsers) {
	c.house.here.Users(c.here, d.Users, func(page frame.Here, p frame.Problem) {
		c.post(func() { c.carry(c.sess.Rostered(d.Tag, page, p)) })
	})
}
