package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/authz/internal/token"
)

func TestWhatIsMintedIsBelieved(t *testing.T) {
	v := verifier(t, token.Config{Secret: secret})
	for name, c := range map[string]struct {
		ttl     time.Duration
		expires int64 // unix ms
	}{
		"for an hour":      {time.Hour, now().UnixMilli() + 3_600_000},
		"for half a blink": {50 * time.Millisecond, now().UnixMilli() + 50},
		"for ever":         {0, time.Time{}.UnixMilli()},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := token.Mint(secret, "ann", map[string]any{"teams": []string{"red", "blue"}}, c.ttl, now())
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Verify(text, now())
			if err != nil {
				t.Fatal(err)
			}
			if got.User != "ann" || string(got.Claims["teams"]) != `["red","blue"]` || got.ExpiresAt.UnixMilli() != c.expires {
				t.Errorf("minted %s until %d with %s, want ann until %d with red and blue",
					got.User, got.ExpiresAt.UnixMilli(), got.Claims["teams"], c.expires)
			}
		})
	}
}

func TestWhatWouldNotBeBelievedIsNotMinted(t *testing.T) {
	for why, mint := range map[string]func() (string, error){
		"a short secret":   func() (string, error) { return token.Mint("short", "ann", nil, 0, now()) },
		"no user":          func() (string, error) { return token.Mint(secret, "", nil, 0, now()) },
		"a ttl below zero": func() (string, error) { return token.Mint(secret, "ann", nil, -1, now()) },
		"a second sub":     func() (string, error) { return token.Mint(secret, "ann", map[string]any{"sub": "bob"}, 0, now()) },
		"a claim too long": func() (string, error) {
			return token.Mint(secret, "ann", map[string]any{"a": strings.Repeat("a", 8192)}, 0, now())
		},
		"a claim no JSON is": func() (string, error) { return token.Mint(secret, "ann", map[string]any{"a": func() {}}, 0, now()) },
	} {
		if text, err := mint(); err == nil {
			t.Errorf("%s: minted %.20s…, want an error", why, text)
		}
	}
}
