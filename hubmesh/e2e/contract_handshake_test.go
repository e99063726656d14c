package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/hubmesh/internal/hub"
)

func TestATokenComesInFiveWays(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	for name, bring := range map[string]hub.Bring{
		"Authorization: Bearer": hub.ByHeader,
		"a subprotocol":         hub.BySubprotocol,
		"the query":             hub.ByQuery,
		"a cookie":              hub.ByCookie,
		"the first frame":       hub.ByFrame,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := hub.Dial(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, "ann"), Bring: bring})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Cut() })
			if got := c.Connected().User; got != "ann" {
				t.Errorf("connected as %q, want ann", got)
			}
		})
	}
}

func TestOfSeveralTokensTheFirstFoundCounts(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	handshake := func(header, subprotocol, query, cookie string) hub.Config {
		cfg := hub.Config{URL: "http://" + g.Addr().String(), Header: http.Header{}, Token: subprotocol, Bring: hub.BySubprotocol}
		if header != "" {
			cfg.Header.Set("Authorization", "Bearer "+header)
		}
		if query != "" {
			cfg.URL += "/ws?token=" + query
		}
		if cookie != "" {
			cfg.Header.Set("Cookie", "other=1; hubmesh_token="+cookie)
		}
		return cfg
	}
	ann, bob := token(t, "ann"), token(t, "bob")
	for name, ways := range map[string][4]string{
		"the header before the subprotocol": {ann, bob, bob, bob},
		"the subprotocol before the query":  {"", ann, bob, bob},
		"the query before the cookie":       {"", "", ann, bob},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := hub.Dial(t.Context(), handshake(ways[0], ways[1], ways[2], ways[3]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Cut() })
			if got := c.Connected().User; got != "ann" {
				t.Errorf("connected as %q, want ann", got)
			}
		})
	}
	t.Run("a bad one before a good one refuses", func(t *testing.T) {
		if r := refused(t, g, handshake("bad", ann, ann, ann)); r.Status != http.StatusUnauthorized {
			t.Errorf("refused with %v, want 401", r)
		}
	})
	t.Run("the handshake's before the first frame's", func(t *testing.T) {
		k := come(t, g, "ann")
		k.say(`{"id":1,"event":"auth","data":{"token":"%s"}}`, bob)
		k.hears(`{"ack":1,"error":{"code":"invalid","message":"<text>"}}`)
		k.lives()
	})
}

func TestABadTokenRefusesTheUpgrade(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	now := time.Now().Unix()
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"ann"}`)) + "."
	for name, c := range map[string]struct{ token, code string }{
		"no token at all":        {"nonsense", "unauthorized"},
		"of another secret":      {sign("another secret, also long enough!", `{"sub":"ann"}`), "unauthorized"},
		"unsigned":               {unsigned, "unauthorized"},
		"of nobody":              {sign(secret, `{"name":"ann"}`), "unauthorized"},
		"of a name too long":     {sign(secret, `{"sub":"`+strings.Repeat("a", 129)+`"}`), "unauthorized"},
		"issued in 40 s":         {sign(secret, fmt.Sprintf(`{"sub":"ann","iat":%d}`, now+40)), "unauthorized"},
		"good from in 40 s on":   {sign(secret, fmt.Sprintf(`{"sub":"ann","nbf":%d}`, now+40)), "unauthorized"},
		"expired a second ago":   {sign(secret, fmt.Sprintf(`{"sub":"ann","exp":%d}`, now-1)), "token_expired"},
		"with a space at an end": {sign(secret, `{"sub":"ann "}`), "unauthorized"}, // headers would lose it, and ann speak
	} {
		t.Run(name, func(t *testing.T) {
			a := get(t, g, "/ws?token="+c.token, upgrade())
			if a.status != http.StatusUnauthorized {
				t.Errorf("HTTP %d, want 401", a.status)
			}
			if err := like(a.body, `{"error":{"code":"`+c.code+`","message":"<text>"}}`); err != nil {
				t.Error(err)
			}
			if kind := a.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
	t.Run("not when its issuer's clock is 20 s ahead", func(t *testing.T) {
		comeWith(t, g, sign(secret, fmt.Sprintf(`{"sub":"ann","iat":%d,"nbf":%d}`, now+20, now+20)))
	})
	t.Run("not when the name has 128 bytes", func(t *testing.T) {
		comeWith(t, g, sign(secret, `{"sub":"`+strings.Repeat("ä", 64)+`"}`))
	})
}

// sign makes a token by HS256 of any claims (RFC 7515).
func sign(key, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// upgrade is the headers of a WebSocket handshake (RFC 6455, 4.1).
func upgrade() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
}

func TestTheSubprotocolIsAgreedToIfOneIsAskedFor(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	g := h.mesh.Gateways()[0]
	bearer := "bearer." + token(t, "ann")
	for name, c := range map[string]struct{ asked, want string }{
		"none":                     {"", ""},
		"ours":                     {"hubmesh.v1", "hubmesh.v1"},
		"ours and a token":         {"hubmesh.v1, " + bearer, "hubmesh.v1"},
		"a token and ours":         {bearer + ", hubmesh.v1", "hubmesh.v1"},
		"somebody else's":          {"mqtt", ""},
		"somebody else's and ours": {"mqtt, hubmesh.v1", "hubmesh.v1"},
	} {
		t.Run(name, func(t *testing.T) {
			header := upgrade()
			if c.asked != "" {
				header.Set("Sec-Websocket-Protocol", c.asked)
			}
			a := get(t, g, "/ws", header)
			if a.status != http.StatusSwitchingProtocols {
				t.Fatalf("HTTP %d: %s", a.status, a.body)
			}
			if got := a.header.Get("Sec-Websocket-Protocol"); got != c.want {
				t.Errorf("agreed to %q, want %q", got, c.want)
			}
		})
	}
}

func TestAPageOfAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	for name, c := range map[string]struct {
		allowed, well, ill []string
	}{
		"same origin where nothing is set": {nil, []string{"", "http://HOST"}, []string{"https://example.com", "http://127.0.0.1:1", "null"}},
		"a list":                           {[]string{"https://a.example", "http://b.example:8080"}, []string{"https://a.example", "http://b.example:8080", ""}, []string{"http://a.example", "https://b.example:8080", "https://c.example"}},
		"all":                              {[]string{"*"}, []string{"https://anywhere.example", "null"}, nil},
		"everything below a host":          {[]string{"https://*.example.com"}, []string{"https://a.example.com", "https://a.b.example.com"}, []string{"https://example.com", "https://a.example.com.evil", "https://evilexample.com", "http://a.example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t).Gateway
			cfg.Origins = c.allowed
			g, _ := h.addGateway(t, cfg)
			try := func(origin string) answer {
				header := upgrade()
				switch origin {
				case "":
				case "http://HOST":
					header.Set("Origin", "http://"+g.Addr().String())
				default:
					header.Set("Origin", origin)
				}
				return get(t, g, "/ws", header)
			}
			for _, origin := range c.well {
				if a := try(origin); a.status != http.StatusSwitchingProtocols {
					t.Errorf("from %q: HTTP %d, want 101", origin, a.status)
				}
			}
			for _, origin := range c.ill {
				a := try(origin)
				if err := like(a.body, `{"error":{"code":"forbidden","message":"<text>"}}`); a.status != http.StatusForbidden || err != nil {
					t.Errorf("from %q: HTTP %d, want 403; %v", origin, a.status, err)
				}
			}
		})
	}
}

func TestAFullGatewayRefusesAndSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	h := open(t, config(t))
	cfg := config(t).Gateway
	cfg.MaxConnections = 1
	g, _ := h.addGateway(t, cfg)
	first := come(t, g, "ann")
	unavailable(t, refused(t, g, hub.Config{Token: token(t, "bob")}))
	if err := first.socket.Cut(); err != nil {
		t.Fatal(err)
	}
	until(t, patience, func() error {
		s, err := hub.Open(t.Context(), hub.Config{URL: "http://" + g.Addr().String(), Token: token(t, "bob")})
		if err == nil {
			_ = s.Cut()
		}
		return err
	}, func(err error) bool { return err == nil })
}

func unavailable(t testing.TB, r *hub.Refused) {
	t.Helper()
	if r.Status != http.StatusServiceUnavailable || r.Code != "unavailable" || r.Message == "" || r.RetryAfter < time.Second {
		t.Errorf("refused with %+v, want HTTP 503 unavailable with Retry-After", *r)
	}
}
