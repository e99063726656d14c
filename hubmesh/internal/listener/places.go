package listener

import "github.com/hubmesh/hubmesh/hubmesh/internal/hub"

// places is up to where each room has been heard. It is what a connection
// that comes back gives as since.
type places map[string]hub.Position

// since is up to where the room was heard, or nil when it never was.
func (p places) since(room string) *hub.Position {
	at, ok := p[room]
	if !ok {
		return nil
	}
	return &at
}

// sinceAll is up to where all of rooms were heard: the least of them. It is
// the zero Position when one never was, or when their logs differ.
func (p places) sinceAll(rooms []string) (least hub.Position) {
	for i, room := range rooms {
		at, ok := p[room]
		if !ok || i > 0 && at.Epoch != least.Epoch {
			return hub.Position{}
		}
		if i == 0 || at.Offset < least.Offset {
			least = at
		}
	}
	return least
}

// begin notes where a room was entered. What was missed comes after it, so
// while something does, the place stays where it was and moves with the
// events: to begin again there loses nothing.
func (p places) begin(room string, at hub.Position, missed int) {
	if was, ok := p[room]; ok && was.Epoch == at.Epoch && missed > 0 {
		return
	}
	p.reach(room, at)
}

// event notes that a durable event was heard.
func (p places) event(room string, offset uint64) {
	if at, ok := p[room]; ok && offset > at.Offset {
		p[room] = hub.Position{Epoch: at.Epoch, Offset: offset}
	}
}

// complete notes that every room was heard up to there.
func (p places) complete(at hub.Position) {
	for room := range p {
		p.reach(room, at)
	}
}

// reach moves a room forward, or to wherever a new log is.
func (p places) reach(room string, at hub.Position) {
	if was, ok := p[room]; !ok || was.Epoch != at.Epoch || at.Offset > was.Offset {
		p[room] = at
	}
}
