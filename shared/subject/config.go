package subject

import "github.com/hubmesh/hubmesh/shared/env"

// Bind reads the prefix of a Tree from the environment, as Below takes it.
func Bind(set *env.Set, prefix *string) {
	const name = "HUBMESH_PREFIX"
	set.String(prefix, name, DefaultPrefix, "first token of every subject; in upper case, the begin of stream and bucket names")
	if _, err := Below(*prefix); err != nil {
		set.Fault(name, err.Error())
	}
}
