package natsconn_test

import (
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/shared/env"
	"github.com/hubmesh/hubmesh/shared/natsconn"
)

func bind(vars map[string]string) (cfg natsconn.Config, err error) {
	set := env.New(func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
	natsconn.Bind(set, &cfg)
	return cfg, set.Parse()
}

func TestBind(t *testing.T) {
	good := map[string]map[string]string{
		"nothing set":         {},
		"several servers":     {"HUBMESH_NATS_URL": "nats://a:4222, tls://b"},
		"a bare host":         {"HUBMESH_NATS_URL": "nats.example.com"},
		"a user":              {"HUBMESH_NATS_USER": "presence", "HUBMESH_NATS_PASSWORD": "x"},
		"a passwordless user": {"HUBMESH_NATS_USER": "presence"},
	}
	for name, vars := range good {
		t.Run(name, func(t *testing.T) {
			if cfg, err := bind(vars); err != nil || cfg.URL == "" {
				t.Errorf("Bind(%v) = %v, URL %q; want no fault", vars, err, cfg.URL)
			}
		})
	}
	bad := map[string]struct {
		vars  map[string]string
		names []string
	}{
		"an address of another scheme":  {map[string]string{"HUBMESH_NATS_URL": "http://u:secret@a"}, []string{"HUBMESH_NATS_URL"}},
		"an address that is none":       {map[string]string{"HUBMESH_NATS_URL": "nats://u:secret@[::"}, []string{"HUBMESH_NATS_URL"}},
		"a password of nobody":          {map[string]string{"HUBMESH_NATS_PASSWORD": "secret"}, []string{"HUBMESH_NATS_PASSWORD"}},
		"a certificate without its key": {map[string]string{"HUBMESH_NATS_TLS_CERT": "config_test.go"}, []string{"HUBMESH_NATS_TLS_CERT"}},
		"all faults at once": {
			map[string]string{"HUBMESH_NATS_URL": ",", "HUBMESH_NATS_CREDS": "/none", "HUBMESH_NATS_NKEY": "/none", "HUBMESH_NATS_TLS_CA": "/none", "HUBMESH_NATS_TLS_KEY": "/none"},
			[]string{"HUBMESH_NATS_URL", "HUBMESH_NATS_CREDS", "HUBMESH_NATS_NKEY", "HUBMESH_NATS_TLS_CA", "HUBMESH_NATS_TLS_CERT", "HUBMESH_NATS_TLS_KEY"},
		},
	}
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			_, err := bind(c.vars)
			if err == nil {
				t.Fatalf("Bind(%v) found no fault", c.vars)
			}
			for _, want := range c.names {
				if !strings.Contains(err.Error(), want+": ") {
					t.Errorf("%v does not name %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}
