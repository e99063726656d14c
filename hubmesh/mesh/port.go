package mesh

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// portsTried is how far a default port that is taken is stepped away from.
const portsTried = 100

// freeAddr returns addr if it can be listened on. If not, and move is set, it
// returns the next higher port that can, so that a second mesh on the machine
// just starts; who named the port expects it and gets the error.
//
// Somebody may take it before its user does, who then meets an error.
func freeAddr(addr string, move bool) (string, error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return "", err
	}
	tries := 1
	if move {
		tries = portsTried
	}
	var taken error
	for p := port; p < port+tries && p <= 65535; p++ {
		free := net.JoinHostPort(host, strconv.Itoa(p))
		l, err := net.Listen("tcp", free)
		if err != nil {
			taken = errors.Join(taken, err)
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		return free, nil
	}
	if tries > 1 {
		return "", fmt.Errorf("no free port from %s on: %w", addr, taken)
	}
	return "", taken
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %s: want a port from 0 to 65535", addr)
	}
	return host, port, nil
}

// onLoopback reports whether only this machine reaches an address.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
