package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/hubmesh/hubmesh/hubmesh/internal/screen"
	"github.com/hubmesh/hubmesh/hubmesh/mesh"
)

// banner says what there is to try, and how. The commands in it work as they
// stand, in another terminal in the same folder.
func (d *dev) banner(c console, m *mesh.Mesh) (screen.Banner, error) {
	at := reachable(m.Gateways()[0].Addr())
	b := screen.Banner{
		Clients: []string{"ws://" + at + "/ws"}, NATS: withoutLogin(m.NATSURL()), Without: d.mesh.Without,
		Valid: "7 days", Rooms: "rooms task:…, project:…, team:… (lobby:… is everyone's)",
		NoToken: "Tokens are checked with your public keys: bring your own, as TOKEN below.",
	}
	if d.mesh.Gateway.Demo != nil {
		b.Page = "http://" + at + "/"
	}
	if d.mesh.NATS.URL == "" {
		b.Store = d.mesh.Dir
	}
	var err error
	if b.Users, err = d.users(); err != nil {
		return b, err
	}
	hear, say := []string{"sub", "task:42"}, []string{"pub", "task:42", "task:update", `{"title":"Ship it"}`, "--durable"}
	b.Sub, b.Pub = d.command(c, at, b.Users, 0, hear), d.command(c, at, b.Users, 1, say)
	return b, nil
}

// command is one to paste: with all that differs from what a client would do
// by itself.
func (d *dev) command(c console, at string, users []screen.User, user int, args []string) string {
	words := append(invocation(os.Args[0], exists), args...)
	if at != "127.0.0.1:8080" {
		words = append(words, "--url", "http://"+at)
	}
	switch {
	case len(users) == 0:
		words = append(words, "--token", "TOKEN")
	case d.keys.authz.Secret != "" || d.keys.authz.Issuer != "" || d.keys.authz.Audience != "":
		// The other terminal may not have our environment.
		words = append(words, "--token", users[user].Token)
	case user > 0:
		words = append(words, "--as", users[user].Name)
	}
	for i, w := range words {
		words[i] = quote(w)
	}
	if dir, set := c.Lookup("HUBMESH_DATA_DIR"); set && dir != "" {
		words = append([]string{"HUBMESH_DATA_DIR=" + quote(dir)}, words...)
	}
	return strings.Join(words, " ")
}

// invocation is how this program is called again: as it was, but where go run
// has built it somewhere for this once.
func invocation(arg0 string, exists func(string) bool) []string {
	built := strings.Contains(filepath.ToSlash(arg0), "/go-build")
	switch {
	case !built:
		return []string{arg0}
	case exists("hubmesh/main.go"):
		return []string{"go", "run", "./hubmesh"}
	}
	return []string{"go", "run", "github.com/hubmesh/hubmesh/hubmesh"}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// quote spells a word for a shell of POSIX, section 2.2.2.
func quote(word string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=@%+,", r)
	}
	if word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// withoutLogin leaves user:password@ out of a list of addresses.
func withoutLogin(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		if at := strings.LastIndex(u, "@"); at >= 0 {
			scheme, _, _ := strings.Cut(u, "://")
			list[i] = scheme + "://" + u[at+1:]
		}
	}
	return strings.Join(list, ",")
}

// reachable is where a client on this machine connects to a listener.
func reachable(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsUnspecified() {
		return addr.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}
