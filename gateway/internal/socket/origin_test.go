package socket

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOrigins(t *testing.T) {
	const host = "app.example.com"
	cases := map[string]struct {
		list         []string
		origin, host string
		want         bool
	}{
		"no origin passes, as it comes from no page":   {nil, "", host, true},
		"no origin passes a list too":                  {[]string{"https://a.example.com"}, "", host, true},
		"the own host passes":                          {nil, "https://app.example.com", host, true},
		"the own host passes in other letters":         {nil, "https://APP.example.com", host, true},
		"the own host passes behind a proxy's TLS":     {nil, "http://app.example.com", host, true},
		"the own host passes with its port":            {nil, "http://localhost:8080", "localhost:8080", true},
		"another port is another origin":               {nil, "http://localhost:3000", "localhost:8080", false},
		"another host is refused":                      {nil, "https://evil.example.com", host, false},
		"a longer host is refused":                     {nil, "https://app.example.com.evil.com", host, false},
		"a page without an origin is refused":          {nil, "null", host, false},
		"a star lets all pass":                         {[]string{"*"}, "https://evil.com", host, true},
		"a star lets a page without an origin pass":    {[]string{"*"}, "null", host, true},
		"a star among others lets all pass":            {[]string{"https://a.com", "*"}, "https://evil.com", host, true},
		"a listed one passes":                          {[]string{"https://a.com"}, "https://a.com", host, true},
		"a listed one passes in other letters":         {[]string{"https://A.com"}, "https://a.com", host, true},
		"a listed one passes with a slash in the list": {[]string{"https://a.com/"}, "https://a.com", host, true},
		"a listed one of another scheme is refused":    {[]string{"https://a.com"}, "http://a.com", host, false},
		"a listed one of another port is refused":      {[]string{"https://a.com"}, "https://a.com:8443", host, false},
		"a listed port passes":                         {[]string{"http://localhost:3000"}, "http://localhost:3000", host, true},
		"the own host is refused beside a list":        {[]string{"https://a.com"}, "https://app.example.com", host, false},
		"below a host passes":                          {[]string{"https://*.example.com"}, "https://x.example.com", host, true},
		"far below a host passes":                      {[]string{"https://*.example.com"}, "https://y.x.EXAMPLE.com", host, true},
		"the host itself is not below it":              {[]string{"https://*.example.com"}, "https://example.com", host, false},
		"a host that ends alike is not below it":       {[]string{"https://*.example.com"}, "https://evilexample.com", host, false},
		"below a host with another scheme is refused":  {[]string{"https://*.example.com"}, "http://x.example.com", host, false},
		"below a host with a port passes with it":      {[]string{"http://*.localhost:3000"}, "http://x.localhost:3000", host, true},
		"text that is no origin is refused":            {nil, "http://[", "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o, err := parseOrigins(c.list)
			if err != nil {
				t.Fatal(err)
			}
			if got := o.allow(c.origin, c.host); got != c.want {
				t.Errorf("origins %v: allow(%q, %q) = %v, want %v", c.list, c.origin, c.host, got, c.want)
			}
		})
	}
}

func TestWhatIsNoOriginIsRefused(t *testing.T) {
	for _, entry := range []string{
		"", "example.com", "https://", "https://a.com/path", "https://a.com?q", "https://a.com#f", "https://user@a.com",
		"https://*example.com", "https://a.*.com", "https://*", "https://*.", "*.example.com", "http://[",
	} {
		if _, err := parseOrigins([]string{"https://a.com", entry}); err == nil {
			t.Errorf("parseOrigins(%q) found no fault", entry)
		}
	}
}

func TestAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := map[string]struct {
		peer      string
		chain     []string // X-Forwarded-For
		real      string   // X-Real-IP
		want      string
		forwarded bool
	}{
		"a client that comes directly":            {peer: "192.0.2.1:1234", want: "192.0.2.1"},
		"one with IPv6":                           {peer: "[2001:db8::1]:1234", want: "2001:db8::1"},
		"IPv4 written as IPv6":                    {peer: "[::ffff:192.0.2.1]:1234", want: "192.0.2.1"},
		"a peer that is no address":               {peer: "@", want: "@"},
		"headers from one who is no proxy":        {peer: "192.0.2.1:1", chain: []string{"198.51.100.1"}, want: "192.0.2.1", forwarded: true},
		"another header from one who is no proxy": {peer: "192.0.2.1:1", real: "198.51.100.1", want: "192.0.2.1", forwarded: true},
		"a proxy that says nothing":               {peer: "10.0.0.1:1", want: "10.0.0.1"},
		"a client behind a proxy":                 {peer: "10.0.0.1:1", chain: []string{"192.0.2.1"}, want: "192.0.2.1"},
		"a client behind a proxy of IPv6":         {peer: "[fd00::1]:1", chain: []string{"2001:db8::1"}, want: "2001:db8::1"},
		"a proxy written as IPv6":                 {peer: "[::ffff:10.0.0.1]:1", chain: []string{"192.0.2.1"}, want: "192.0.2.1"},
		"a client behind two proxies":             {peer: "10.0.0.1:1", chain: []string{"192.0.2.1, 10.0.0.2"}, want: "192.0.2.1"},
		"a chain in two headers":                  {peer: "10.0.0.1:1", chain: []string{"192.0.2.1", "10.0.0.2"}, want: "192.0.2.1"},
		"a client that lies about its address":    {peer: "10.0.0.1:1", chain: []string{"198.51.100.1, 192.0.2.1, 10.0.0.2"}, want: "192.0.2.1"},
		"a chain of proxies alone":                {peer: "10.0.0.1:1", chain: []string{"10.0.0.3, 10.0.0.2"}, real: "192.0.2.1", want: "192.0.2.1"},
		"a chain that breaks off":                 {peer: "10.0.0.1:1", chain: []string{"192.0.2.1, unknown, 10.0.0.2"}, want: "10.0.0.1"},
		"a chain before the other header":         {peer: "10.0.0.1:1", chain: []string{"192.0.2.1"}, real: "198.51.100.1", want: "192.0.2.1"},
		"the other header alone":                  {peer: "10.0.0.1:1", real: " 192.0.2.1 ", want: "192.0.2.1"},
		"another header that is no address":       {peer: "10.0.0.1:1", real: "unknown", want: "10.0.0.1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
			for _, line := range c.chain {
				r.Header.Add("X-Forwarded-For", line)
			}
			if c.real != "" {
				r.Header.Set("X-Real-IP", c.real)
			}
			if got, forwarded := address(r, proxies); got != c.want || forwarded != c.forwarded {
				t.Errorf("address(%s, %q, %q) = %s, %v; want %s, %v", c.peer, c.chain, c.real, got, forwarded, c.want, c.forwarded)
			}
		})
	}
}
