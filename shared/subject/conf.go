package subject

import (
	"fmt"
	"strings"
)

// NATSConf is nats.conf: a NATS server for hubmesh below the prefix, with the
// users of Users. Their passwords come from the server's environment.
func (t Tree) NATSConf() string {
	var b strings.Builder
	b.WriteString(confHead)
	for _, p := range t.Users() {
		fmt.Fprintf(&b, "    {\n      user: %s\n      password: $%s\n      permissions {\n", p.User, PasswordVariable(p.User))
		b.WriteString("        publish {\n")
		confList(&b, "allow", p.Publish)
		confList(&b, "deny", p.PublishDeny)
		b.WriteString("        }\n        subscribe {\n")
		confList(&b, "allow", p.Subscribe)
		b.WriteString("        }\n")
		if p.Responses {
			b.WriteString("        allow_responses: true\n")
		}
		b.WriteString("      }\n    }\n")
	}
	b.WriteString("  ]\n}\n")
	return b.String()
}

// PasswordVariable is the environment variable from which the NATS server of
// NATSConf takes a user's password.
func PasswordVariable(user string) string {
	return "HUBMESH_" + strings.ToUpper(user) + "_PASSWORD"
}

// confList prints nothing for an empty list of what is denied, but does so for
// one of what is allowed: NATS takes a missing one as everything.
func confList(b *strings.Builder, name string, subjects []string) {
	if len(subjects) == 0 && name == "deny" {
		return
	}
	fmt.Fprintf(b, "          %s: [\n", name)
	for _, s := range subjects {
		fmt.Fprintf(b, "            %q\n", s)
	}
	b.WriteString("          ]\n")
}

const confHead = `# A NATS server for hubmesh. Printed by the code (make docs): change it there,
# or copy it.
#
# Passwords come from the server's environment. NATS refuses to start where one
# is not set, but takes one that is set to nothing, and reads one of digits only
# as a number: openssl rand -hex 24 makes fitting ones.
#
# Without a tls block all this goes over the network as it is: add one where
# the network is not yours alone.
#
# In a cluster of three: give each server its own server_name, add a cluster
# block, take sync_interval out (two other copies hold what one has not yet
# written, and writes are many times faster), and set HUBMESH_REPLICAS=3.

server_name: hubmesh-nats
listen: 0.0.0.0:4222

# For health checks from inside. It shows who is connected to whoever asks, so
# it is for nobody else.
http: 127.0.0.1:8222

# Clients may send 1 MiB (HUBMESH_MAX_MESSAGE_BYTES), and what is said of it on
# the way needs room too.
max_payload: 2MB

jetstream {
  store_dir: "/data"
  # What is acknowledged is on the disk, also after a power loss. By default
  # the last two minutes might not be.
  sync_interval: always
}

authorization {
  users = [
`
