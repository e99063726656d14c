package wire

// Code is an error as a client sees it. Each door has a table from codes to
// its own numbers.
type Code string

// The codes. A client hears one of these and never an error's text.
const (
	Unauthorized Code = "unauthorized"
	TokenExpired Code = "token_expired"
	Forbidden    Code = "forbidden"
	Invalid      Code = "invalid"
	NoHandler    Code = "no_handler"
	RateLimited  Code = "rate_limited"
	TooLarge     Code = "too_large"
	TooMany      Code = "too_many"
	Timeout      Code = "timeout"
	Unavailable  Code = "unavailable"
	Internal     Code = "internal"
)

// Codes is all of them, for tables that must be whole.
func Codes() []Code {
	return []Code{
		Unauthorized, TokenExpired, Forbidden, Invalid, NoHandler, RateLimited,
		TooLarge, TooMany, Timeout, Unavailable, Internal,
	}
}

// Known reports whether c is one of Codes. A backend may answer with a code of
// its own, which is passed on.
func (c Code) Known() bool {
	for _, k := range Codes() {
		if c == k {
			return true
		}
	}
	return false
}
