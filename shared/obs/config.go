package obs

import "github.com/hubmesh/hubmesh/shared/env"

// Config says how a program is seen by operators.
type Config struct {
	Level  string // debug, info, warn or error; empty means info
	Listen string // host:port of the admin listener; empty means none
	Pprof  bool   // serve profiles on an address that is not loopback, too
}

// BindLevel reads Config.Level, for programs that only log.
func BindLevel(set *env.Set, level *string) {
	set.OneOf(level, "HUBMESH_LOG", "info",
		"least level that is logged: debug, info, warn or error; text on a terminal, JSON otherwise",
		"debug", "info", "warn", "error")
}

// Bind reads Config from the environment. The admin listener's default differs
// between programs; an empty one means none.
func Bind(set *env.Set, cfg *Config, listen string) {
	BindLevel(set, &cfg.Level)
	set.Listen(&cfg.Listen, "HUBMESH_ADMIN_LISTEN", listen,
		"where /metrics, health and, on a loopback address, pprof are served")
	var pprof string
	set.OneOf(&pprof, "HUBMESH_PPROF", "off",
		"on: serve pprof on any address, not only on a loopback one", "on", "off")
	cfg.Pprof = pprof == "on"
}
