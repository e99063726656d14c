package limit

import "time"

// Names of the limits there are, as they stand in keys and in files.
const (
	ConnectionMessages = "connection.messages" // of one connection, all its frames but signals
	ConnectionSignals  = "connection.signals"  // of one connection: typing, and what is published without being stored
	UserMessages       = "user.messages"       // of one user, over all connections and gateways
)

// Builtin is the value that a limit has where nobody has set another. It
// reports false for a name that is no limit's.
func Builtin(name string) (l Limit, ok bool) {
	switch name {
	case ConnectionMessages:
		return Limit{Count: 100, Period: time.Minute, Burst: 100}, true
	case ConnectionSignals:
		return Limit{Count: 30, Period: time.Second, Burst: 60}, true
	case UserMessages:
		return Limit{Count: 600, Period: time.Minute, Burst: 600}, true
	}
	return Limit{}, false
}
