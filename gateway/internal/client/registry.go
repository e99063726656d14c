package client

import (
	"sync"

	"github.com/hubmesh/hubmesh/gateway/internal/rights"
)

// registry is the connections of a gateway by what they are looked for when
// rights change or a backend means them. Safe for concurrent use.
type registry struct {
	mu    sync.Mutex // guards all below, and listing of each connection
	ids   map[string]*Client
	names index // by what a token can be revoked under: user.ann, jti.7f3a
	rooms index // by the key of a room that authz was asked about and that the session holds
}

// listing is under what one connection is found.
type listing struct {
	names []string
	rooms map[string]struct{}
}

// index is connections by a text.
type index map[string]map[*Client]struct{}

func (x index) add(key string, c *Client) {
	if x[key] == nil {
		x[key] = map[*Client]struct{}{}
	}
	x[key][c] = struct{}{}
}

func (x index) remove(key string, c *Client) {
	delete(x[key], c)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}

func newRegistry() *registry {
	return &registry{ids: map[string]*Client{}, names: index{}, rooms: index{}}
}

// name makes a connection known under names, instead of those before.
func (r *registry) name(c *Client, names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[c.ID()] = c
	for _, n := range c.listing.names {
		r.names.remove(n, c)
	}
	for _, n := range names {
		r.names.add(n, c)
	}
	c.listing.names = names
}

// leave takes a connection out of everything.
func (r *registry) leave(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, c.ID())
	for _, n := range c.listing.names {
		r.names.remove(n, c)
	}
	for key := range c.listing.rooms {
		r.rooms.remove(key, c)
	}
	c.listing = listing{}
}

// hold notes that a change in rooms concerns a connection.
func (r *registry) hold(c *Client, rooms []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.listing.rooms == nil {
		c.listing.rooms = make(map[string]struct{}, len(rooms))
	}
	for _, key := range rooms {
		c.listing.rooms[key] = struct{}{}
		r.rooms.add(key, c)
	}
}

// letGo notes that it concerns the connection no more.
func (r *registry) letGo(c *Client, room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(c.listing.rooms, room)
	r.rooms.remove(room, c)
}

// id finds a connection.
func (r *registry) id(id string) []*Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.ids[id]; c != nil {
		return []*Client{c}
	}
	return nil
}

// named finds connections by a name.
func (r *registry) named(name string) []*Client {
	return r.union([]string{name}, nil)
}

// user finds all connections of a user.
func (r *registry) user(user string) []*Client { return r.named(rights.UserKey(user)) }

// holders finds those whom a change in a room concerns.
func (r *registry) holders(room string) []*Client { return r.union(nil, []string{room}) }

// concerned finds those whom a change may concern.
func (r *registry) concerned(ch rights.Change) []*Client {
	users, rooms, ok := ch.Named()
	if !ok {
		return r.everyone()
	}
	names := make([]string, 0, len(users))
	for user := range users {
		names = append(names, rights.UserKey(user))
	}
	return r.union(names, rooms)
}

func (r *registry) everyone() []*Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Client, 0, len(r.ids))
	for _, c := range r.ids {
		list = append(list, c)
	}
	return list
}

// union is the connections under any of names and in any of rooms, each once.
func (r *registry) union(names, rooms []string) (list []*Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[*Client]struct{}{}
	collect := func(of map[*Client]struct{}) {
		for c := range of {
			if _, twice := seen[c]; !twice {
				seen[c] = struct{}{}
				list = append(list, c)
			}
		}
	}
	for _, n := range names {
		collect(r.names[n])
	}
	for _, key := range rooms {
		collect(r.rooms[key])
	}
	return list
}
