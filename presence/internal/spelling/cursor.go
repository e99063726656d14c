package spelling

import (
	"encoding/json"
	"unicode/utf8"
)

// cursor goes through the spelling that encoding/json has of a struct. Where
// something else stands it stops, and whole is false at the end.
type cursor struct {
	rest  []byte
	first bool // no field of the object was read yet
	bad   bool
	seen  texts
}

// whole reports whether all was read.
func (c *cursor) whole() bool { return !c.bad && len(c.rest) == 0 }

// skip goes past a text, if it is next.
func (c *cursor) skip(text string) (ok bool) {
	if len(c.rest) < len(text) || string(c.rest[:len(text)]) != text {
		return false
	}
	c.rest = c.rest[len(text):]
	return true
}

func (c *cursor) must(text string) {
	if !c.skip(text) {
		c.bad = true
	}
}

func (c *cursor) open() { c.must("{"); c.first = true }
func (c *cursor) shut() { c.must("}"); c.first = false }

// field goes past a field's name and its colon, if they are next.
func (c *cursor) field(name string) (ok bool) {
	at := c.rest
	if (c.first || c.skip(",")) && c.skip(name) {
		c.first = false
		return true
	}
	c.rest = at
	return false
}

// yes is the only bool that is written: false is left out.
func (c *cursor) yes() bool { c.must("true"); return true }

// mostDigits is how many digits fit whatever they are.
const mostDigits = 18

func (c *cursor) number() uint64 { return uint64(c.signed()) } //nolint:gosec // not below zero

// signed reads a number that is not below zero.
func (c *cursor) signed() (n int64) {
	i := 0
	for ; i < len(c.rest) && i < mostDigits && c.rest[i] >= '0' && c.rest[i] <= '9'; i++ {
		n = 10*n + int64(c.rest[i]-'0')
	}
	if i == 0 || i > 1 && c.rest[0] == '0' {
		c.bad = true
	}
	c.rest = c.rest[i:]
	return n
}

// text reads a string in which nothing is escaped. It is a part of what is
// read.
func (c *cursor) text() []byte {
	c.must(`"`)
	plain := true
	for i, b := range c.rest {
		switch {
		case b == '"':
			text := c.rest[:i]
			c.bad = c.bad || !plain && !utf8.Valid(text) // encoding/json mends it
			c.rest = c.rest[i+1:]
			return text
		case b == '\\', b < ' ':
			c.bad = true
			return nil
		case b >= utf8.RuneSelf:
			plain = false
		}
	}
	c.bad = true
	return nil
}

// known reads a string that comes in many records.
func (c *cursor) known() string { return c.seen.one(c.text()) }

// names reads a list that is not empty, into one that is.
func (c *cursor) names(into []string) []string {
	c.must("[")
	for {
		into = append(into, c.known())
		if c.bad || !c.skip(",") {
			break
		}
	}
	c.must("]")
	return into
}

// raw reads an object or a list as it stands. Anything else is rare.
func (c *cursor) raw() json.RawMessage {
	n := extent(c.rest)
	if n == 0 || !json.Valid(c.rest[:n]) {
		c.bad = true
		return nil
	}
	value := c.rest[:n:n]
	c.rest = c.rest[n:]
	return value
}

// extent is how long the object or list is that b begins with, if it is one; 0
// if it is certain that it is none.
func extent(b []byte) int {
	if len(b) == 0 || b[0] != '{' && b[0] != '[' {
		return 0
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return 0
}

// mostTexts bounds what texts holds: what comes again and again is soon there
// again.
const mostTexts = 1 << 16

// texts is strings that come again and again, once each.
type texts map[string]string

func (t texts) one(b []byte) string {
	if s, ok := t[string(b)]; ok {
		return s
	}
	if len(t) >= mostTexts {
		clear(t)
	}
	s := string(b)
	t[s] = s
	return s
}
