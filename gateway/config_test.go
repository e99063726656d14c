package gateway

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
)

func bind(vars map[string]string) (cfg Config, err error) {
	set := env.New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	Bind(set, &cfg, ":8080")
	return cfg, set.Parse()
}

func TestBindReadsTheEnvironment(t *testing.T) {
	cfg, err := bind(map[string]string{
		"HUBMESH_PREFIX": "acme", "HUBMESH_GATEWAY_ID": "east-1", "HUBMESH_LISTEN": "127.0.0.1:1",
		"HUBMESH_ALLOWED_ORIGINS": "https://a.com, https://*.b.com", "HUBMESH_TRUSTED_PROXIES": "10.0.0.0/8",
		"HUBMESH_MAX_CONNECTIONS": "7", "HUBMESH_MAX_MESSAGE_BYTES": "64KiB", "HUBMESH_DRAIN": "1m",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Prefix != "acme" || cfg.ID != "east-1" || cfg.Listen != "127.0.0.1:1" || len(cfg.Origins) != 2 || len(cfg.TrustedProxies) != 1 ||
		cfg.MaxConnections != 7 || cfg.MaxMessage != 64<<10 || cfg.Drain != time.Minute {
		t.Errorf("read %+v", cfg)
	}
	cfg, err = bind(nil)
	if err != nil || cfg.Listen != ":8080" || cfg.MaxConnections != 10_000 || cfg.MaxMessage != 1<<20 || cfg.Drain != 30*time.Second {
		t.Errorf("nothing is set: %+v, %v", cfg, err)
	}
}

func TestBindNamesEveryFault(t *testing.T) {
	faults := map[string]string{
		"HUBMESH_PREFIX": "A.b", "HUBMESH_GATEWAY_ID": strings.Repeat("x", 65), "HUBMESH_LISTEN": "nowhere",
		"HUBMESH_ALLOWED_ORIGINS": "example.com", "HUBMESH_TRUSTED_PROXIES": "10.0.0.0/99", "HUBMESH_MAX_CONNECTIONS": "0",
		"HUBMESH_MAX_MESSAGE_BYTES": "much", "HUBMESH_DRAIN": "-1s", "HUBMESH_REPLICAS": "9",
	}
	_, err := bind(faults)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for name := range faults {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in\n%v", name, err)
		}
	}
}

func TestAnIdIsSafeAsOneToken(t *testing.T) {
	for id, want := range map[string]string{
		"east-1": "east-1", "a_B-9": "a_B-9", "gw.east 1": "gw-east-1", "a>*": "a--", "ä": "-",
	} {
		if got := gatewayID(id); got != want {
			t.Errorf("gatewayID(%q) = %q, want %q", id, got, want)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		t.Skip("the host has no name")
	}
	one, two := gatewayID(""), gatewayID("")
	if one == two || !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(one) || !strings.HasPrefix(one, gatewayID(host)[:min(len(host), maxID-5)]) {
		t.Errorf("made up %q and %q, want the host's name %q and something else in each", one, two, host)
	}
}
