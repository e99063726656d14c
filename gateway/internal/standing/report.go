package standing

import (
	"slices"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// Next returns what is to be reported now: at most so many connections, of
// about so many bytes, but at least one if one is due. They are under way until
// Answered or Silent says what became of them: no other report has them
// meanwhile.
func (b *Book) Next(most, bytes int) (report []wire.PresenceStand) {
	for len(report) < most {
		queue := &b.first
		if len(b.first) == 0 {
			queue = &b.due
		}
		if len(*queue) == 0 {
			break
		}
		c := (*queue)[0]
		if c.stand.Connection == "" {
			*queue = (*queue)[1:]
			continue
		}
		if c.sent == nil {
			c.sent = c.report()
		}
		if bytes -= size(c.sent); bytes < 0 && len(report) > 0 {
			break
		}
		*queue = (*queue)[1:]
		report = append(report, *c.sent)
	}
	b.underWay += len(report)
	return report
}

// report is the connection as it is reported now.
func (c *conn) report() *wire.PresenceStand {
	s := c.stand
	s.First = c.known == 0
	s.Fresh = c.said > c.known
	s.Again = c.again > c.known
	return &s
}

// size is about how many bytes a connection is in a report. In names any letter
// may be escaped.
func size(s *wire.PresenceStand) int {
	const rest = 512 // names of fields, numbers, door, address
	n := rest + 2*len(s.Connection) + 2*len(s.User) + len(s.Info)
	for _, room := range s.Rooms {
		n += 2*len(room) + 3
	}
	if s.Status != nil {
		n += 6*len(s.Status.Text) + len(s.Status.Data)
	}
	return n
}

// Answered takes presence's answer to a report: all but what failed is known
// from now on, or will never be.
func (b *Book) Answered(report []wire.PresenceStand, failed []string) {
	b.underWay -= len(report)
	for _, s := range report {
		c := b.conns[s.Connection]
		c.queue = false
		if slices.Contains(failed, s.Connection) {
			b.enqueue(c)
			continue
		}
		c.known, c.sent, c.doubt = s.Turn, nil, false
		switch {
		case c.known < c.stand.Turn:
			b.enqueue(c)
		case c.stand.End != nil:
			b.forget(c)
		}
	}
}

// Silent says that a report was not answered. It comes again, before what was
// not sent yet: so no more than what is under way at once is ever in doubt.
// Where it is sure that nobody has heard it, it need not come as it was.
func (b *Book) Silent(report []wire.PresenceStand, unheard bool) {
	b.underWay -= len(report)
	back := make([]*conn, len(report), len(report)+len(b.first))
	for i, s := range report {
		c := b.conns[s.Connection]
		back[i] = c
		if c.doubt = c.doubt || !unheard; !c.doubt {
			c.sent = nil
		}
	}
	b.first = append(back, b.first...)
}
