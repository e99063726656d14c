package env

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// String binds a text.
func (s *Set) String(p *string, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, func(t string) (string, error) { return t, nil })
}

// OneOf binds a text that is one of words.
func (s *Set) OneOf(p *string, name, def, help string, words ...string) (set bool) {
	return bind(s, p, name, def, help, func(t string) (string, error) {
		for _, w := range words {
			if t == w {
				return t, nil
			}
		}
		return "", fmt.Errorf("%q: want one of %s", t, strings.Join(words, ", "))
	})
}

// Int binds a whole number between least and most.
func (s *Set) Int(p *int, name, def, help string, least, most int) (set bool) {
	return bind(s, p, name, def, help, func(t string) (int, error) {
		n, err := strconv.Atoi(t)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("%q: want a whole number from %d to %d", t, least, most)
		}
		return n, nil
	})
}

// Duration binds a time above zero, such as 30s or 24h.
func (s *Set) Duration(p *time.Duration, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, func(t string) (time.Duration, error) {
		d, err := time.ParseDuration(t)
		if err != nil || d <= 0 {
			return 0, fmt.Errorf("%q: want a time such as 30s, 15m or 24h", t)
		}
		return d, nil
	})
}

// Bytes binds a number of bytes above zero: 1048576, 10MiB, 1GiB.
func (s *Set) Bytes(p *int64, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, ParseBytes)
}

// ParseBytes reads a number of bytes above zero with an optional unit KiB,
// MiB, GiB or TiB.
func ParseBytes(t string) (int64, error) {
	num, shift := t, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(t, unit); ok {
			num, shift = rest, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil || n <= 0 || n > 1<<62>>shift {
		return 0, fmt.Errorf("%q: want a number of bytes, such as 1048576, 10MiB or 1GiB", t)
	}
	return n << shift, nil
}

// Listen binds the address of a listener: host:port or :port.
func (s *Set) Listen(p *string, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, func(t string) (string, error) {
		_, port, err := net.SplitHostPort(t)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return "", fmt.Errorf("%q: want host:port or :port", t)
		}
		return t, nil
	})
}

// List binds texts between commas, trimmed; empty ones are dropped.
func (s *Set) List(p *[]string, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, func(t string) ([]string, error) { return split(t), nil })
}

func split(t string) (list []string) {
	for _, w := range strings.Split(t, ",") {
		if w = strings.TrimSpace(w); w != "" {
			list = append(list, w)
		}
	}
	return list
}

// Prefixes binds a comma-separated list of CIDRs or addresses; none means the
// empty list, set.
func (s *Set) Prefixes(p *[]netip.Prefix, name, def, help string) (set bool) {
	return bind(s, p, name, def, help, func(t string) (list []netip.Prefix, err error) {
		if t == "none" {
			return []netip.Prefix{}, nil
		}
		for _, w := range split(t) {
			if a, err := netip.ParseAddr(w); err == nil {
				list = append(list, netip.PrefixFrom(a, a.BitLen()))
				continue
			}
			n, err := netip.ParsePrefix(w)
			if err != nil {
				return nil, fmt.Errorf("%q: want CIDRs such as 10.0.0.0/8, or none", w)
			}
			list = append(list, n.Masked())
		}
		return list, nil
	})
}

// File binds the path of a file that must be there and can be read.
func (s *Set) File(p *string, name, help string) (set bool) {
	return bind(s, p, name, "", help, func(t string) (string, error) {
		f, err := os.Open(t) //nolint:gosec // whoever configures the program says which
		if err != nil {
			return "", err
		}
		return t, f.Close()
	})
}

// Secret binds a text that no fault and no usage shows.
func (s *Set) Secret(p *string, name, help string, leastBytes int) (set bool) {
	return bind(s, p, name, "", help, func(t string) (string, error) {
		if len(t) < leastBytes {
			return "", errors.New("too short: want " + strconv.Itoa(leastBytes) + " bytes or more")
		}
		return t, nil
	})
}
