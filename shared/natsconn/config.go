package natsconn

import (
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/env"
)

// Bind reads Config from the environment. No fault shows an address, since a
// login may stand in it.
func Bind(set *env.Set, cfg *Config) {
	const (
		urlName  = "HUBMESH_NATS_URL"
		certName = "HUBMESH_NATS_TLS_CERT"
		keyName  = "HUBMESH_NATS_TLS_KEY"
	)
	set.String(&cfg.URL, urlName, nats.DefaultURL, "addresses of the NATS servers, between commas")
	set.File(&cfg.Creds, "HUBMESH_NATS_CREDS", "path of a .creds file to log in to NATS with")
	user := set.String(&cfg.User, "HUBMESH_NATS_USER", "", "user to log in to NATS as")
	password := set.Secret(&cfg.Password, "HUBMESH_NATS_PASSWORD", "password of that user", 1)
	set.File(&cfg.NKey, "HUBMESH_NATS_NKEY", "path of an nkey seed file to log in to NATS with")
	set.File(&cfg.TLSCA, "HUBMESH_NATS_TLS_CA", "path of a PEM file with the authorities that NATS's certificate is checked against")
	cert := set.File(&cfg.TLSCert, certName, "path of a PEM file with the certificate shown to NATS")
	key := set.File(&cfg.TLSKey, keyName, "path of a PEM file with the key of that certificate")
	if !validURLs(cfg.URL) {
		set.Fault(urlName, "want addresses such as nats://127.0.0.1:4222, between commas")
	}
	if password && !user {
		set.Fault("HUBMESH_NATS_PASSWORD", "is set without HUBMESH_NATS_USER")
	}
	if cert != key {
		set.Fault(certName, "is of use only together with "+keyName)
	}
}

// validURLs judges as the NATS client does, which takes a bare host too.
func validURLs(list string) bool {
	for _, one := range strings.Split(list, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() == "" {
			return false
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return false
		}
	}
	return true
}
