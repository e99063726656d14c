package datadir

import "github.com/hubmesh/hubmesh/shared/env"

// Bind reads the path of the folder from the environment.
func Bind(set *env.Set, path *string) {
	set.String(path, "HUBMESH_DATA_DIR", ".hubmesh", "folder of hubmesh dev: its NATS server's store, and the secret of its tokens")
}
