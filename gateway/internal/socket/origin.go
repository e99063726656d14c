package socket

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origins is who may open a connection from a page.
type origins struct {
	any   bool
	exact map[string]bool
	below []below // https://*.example.com
}

// below is every host under one, of one scheme.
type below struct{ scheme, suffix string }

// CheckOrigins reports the first entry of a list that New would refuse.
func CheckOrigins(list []string) error {
	_, err := parseOrigins(list)
	return err
}

// parseOrigins reads a list of origins, *, or origins whose host begins with
// "*.". An empty list allows a page's own host only.
func parseOrigins(list []string) (o origins, err error) {
	o.exact = map[string]bool{}
	for _, entry := range list {
		if entry == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(entry)
		if err != nil || u.Scheme == "" || u.Host == "" || !strings.EqualFold(strings.TrimSuffix(entry, "/"), normal(u)) {
			return o, errOrigin(entry)
		}
		host, under := strings.CutPrefix(strings.ToLower(u.Host), "*.")
		switch {
		case host == "" || strings.Contains(host, "*"):
			return o, errOrigin(entry)
		case under:
			o.below = append(o.below, below{u.Scheme, "." + host})
		default:
			o.exact[normal(u)] = true
		}
	}
	return o, nil
}

func errOrigin(entry string) error {
	return fmt.Errorf("socket: origin %q: want *, https://app.example.com or https://*.example.com", entry)
}

func normal(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

// allow judges the Origin of a request to host. A request without one comes
// from no page and passes: its token says who it is.
func (o origins) allow(origin, host string) bool {
	if origin == "" || o.any {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false // also "null", which a sandboxed page sends
	}
	if o.exact[normal(u)] {
		return true
	}
	for _, b := range o.below {
		if strings.EqualFold(u.Scheme, b.scheme) && strings.HasSuffix(strings.ToLower(u.Host), b.suffix) {
			return true
		}
	}
	return len(o.exact) == 0 && len(o.below) == 0 && strings.EqualFold(u.Host, host)
}

// address is where a request comes from: the peer, or, when that is a trusted
// proxy, the last in X-Forwarded-For that is none, else X-Real-IP. forwarded
// reports that somebody who is not trusted sent such headers.
func address(r *http.Request, trusted []netip.Prefix) (ip string, forwarded bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr, false
	}
	from := peer.Addr().Unmap()
	chain, realIP := r.Header.Values("X-Forwarded-For"), r.Header.Get("X-Real-IP")
	if !within(from, trusted) {
		return from.String(), len(chain) > 0 || realIP != ""
	}
	hops := strings.Split(strings.Join(chain, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if a = a.Unmap(); !within(a, trusted) {
			return a.String(), false
		}
	}
	if a, err := netip.ParseAddr(strings.TrimSpace(realIP)); err == nil {
		return a.Unmap().String(), false
	}
	return from.String(), false
}

func within(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
