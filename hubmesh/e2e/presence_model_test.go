package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// face is how others see a user.
type face struct{ Status, Text string }

// word is one change of a user, as presence told it or as a client heard it.
type word struct {
	room, user, change string // no room: in the mesh
	face
}

func (w word) String() string { return fmt.Sprintf("%s %s %s%v", w.room, w.user, w.change, w.face) }

// people is who is in a room, as others see them.
type people map[string]face

// take takes a change, and returns an error when it cannot follow on what was:
// it is told twice then, or the one before it was not.
func (p people) take(w word) (err error) {
	was, here := p[w.user]
	switch {
	case here == (w.change == "join"):
		err = fmt.Errorf("%s told to %s when being here was %v", w.user, w.change, here)
	case w.change == "status" && was == w.face:
		err = fmt.Errorf("%s told to be %v, which he was", w.user, w.face)
	}
	if w.change == "leave" {
		delete(p, w.user)
	} else {
		p[w.user] = w.face
	}
	return err
}

// same reports whether both have the same people, but for one user.
func (p people) same(q people, but string) bool {
	p, q = maps.Clone(p), maps.Clone(q)
	delete(p, but)
	delete(q, but)
	return maps.Equal(p, q)
}

// sight is what one connection was shown of a room: the roster in an ack and
// what it heard from there on, until it left, ended, or was shown the room anew.
//
// Of the user's own it proves nothing: a roster shows him to himself though he
// be invisible, and the updates are those that others hear.
type sight struct {
	user, conn, room string

	shown people // nil: presence was silent, and the ack has no roster
	heard []word

	// holes says that the gateway was cut off, or the bus lost its leader. What
	// it missed it reads back, and HUB_TOLD keeps the newest word on each: who
	// left and came back meanwhile is told to join, or not at all.
	holes bool
	last  bool // it stayed until all was told
}

func (s sight) String() string { return fmt.Sprintf("%s (%s) in %s", s.user, s.conn, s.room) }

// sees is who is there by what it was shown and heard, and what was wrong on
// the way.
func (s sight) sees() (is people, err error) {
	is = maps.Clone(s.shown)
	for i, w := range s.heard {
		if wrong := is.take(w); wrong != nil && err == nil && !s.holes && w.user != s.user {
			err = fmt.Errorf("%v: change %d: %w", s, i, wrong)
		}
	}
	return is, err
}

// check fails unless the sight joins what was told of the room, without a hole
// and with nothing twice, and ends with who is there. told is all words on the
// room, in their order; nil when some of them are not known.
func (s sight) check(told []word, is people) error {
	if s.shown == nil {
		return nil
	}
	if _, itself := s.shown[s.user]; !itself {
		return fmt.Errorf("%v was shown %v, and not its own user", s, s.shown)
	}
	sees, err := s.sees()
	if err != nil {
		return err
	}
	if s.last && !sees.same(is, s.user) {
		return fmt.Errorf("%v sees %v, where there are %v; it was shown %v and heard %v", s, sees, is, s.shown, s.heard)
	}
	if s.last && is[s.user] != (face{}) && sees[s.user] != is[s.user] {
		return fmt.Errorf("%v sees itself as %v, want %v", s, sees[s.user], is[s.user])
	}
	if s.holes || told == nil || s.joins(told) {
		return nil
	}
	return fmt.Errorf("%v was shown %v and heard %v, which is nowhere in what was told: %v", s, s.shown, s.heard, told)
}

// joins reports whether there is a place in what was told where the roster
// stands, and from which on the sight heard each word; up to the end, if it
// stayed.
func (s sight) joins(told []word) bool {
	at := people{}
	for i := 0; ; i++ {
		if i+len(s.heard) > len(told) {
			return false
		}
		ends := i + len(s.heard)
		if at.same(s.shown, s.user) && slices.Equal(s.heard, told[i:ends]) && (!s.last || ends == len(told)) {
			return true
		}
		if i == len(told) {
			return false
		}
		_ = at.take(told[i]) // what is wrong with it is told of the words themselves
	}
}

// whom is a user in a room, or with no room in the mesh.
type whom struct{ room, user string }

// announced fails unless what was told of each user in each room follows on
// what was told before, and no more joins were than there may have been.
func announced(told []word, most map[whom]int) error {
	var errs []error
	at, joins := map[string]people{}, map[whom]int{}
	for i, w := range told {
		if at[w.room] == nil {
			at[w.room] = people{}
		}
		if err := at[w.room].take(w); err != nil {
			errs = append(errs, fmt.Errorf("word %d, %v: %w", i, w, err))
		}
		if w.change == "join" {
			joins[whom{w.room, w.user}]++
		}
	}
	for who, n := range joins {
		if n > most[who] {
			errs = append(errs, fmt.Errorf("%v was told to join %d times, and has %d times at most", who, n, most[who]))
		}
	}
	return errors.Join(errs...)
}

// roll is who is in a room, with how many connections each.
type roll map[string]seat

// seat is a user in a roll.
type seat struct {
	face
	connections int
}

// people is who can be seen of them.
func (r roll) people() people {
	p := people{}
	for user, s := range r {
		if s.Status != "invisible" {
			p[user] = s.face
		}
	}
	return p
}

// visible is those who can be seen.
func (r roll) visible() roll {
	return maps.Collect(func(yield func(string, seat) bool) {
		for user, s := range r {
			if s.Status != "invisible" && !yield(user, s) {
				return
			}
		}
	})
}

// connections is how many all have.
func (r roll) connections() (n int) {
	for _, s := range r {
		n += s.connections
	}
	return n
}

// mark is one record of a connection in HUB_CLIENTS.
type mark string

const (
	begins mark = "connected"
	holds  mark = "connected again"
	ends   mark = "disconnected"
)

// lived fails unless a connection that has ended began once and first, and
// ended once after that and after each time its gateway lost its lease and held
// it nonetheless. It returns how often that was.
//
// Where presence has not answered for the connection, it may have no start: a
// replica and the way to the gateway both ended just after its key was stored.
func lived(marks []mark, answered bool) (again int, err error) {
	open := false
	for i, m := range marks {
		first := m == begins || m == ends && !answered
		switch {
		case i == 0 && !first, i > 0 && m == begins, i > 0 && m == ends && !open:
			err = fmt.Errorf("record %d is %s of %q; presence has answered for it: %v", i, m, marks, answered)
		}
		if m == holds {
			again++
		}
		open = m != ends
	}
	if open || len(marks) == 0 {
		err = fmt.Errorf("it has no end: %q", marks)
	}
	return again, err
}
