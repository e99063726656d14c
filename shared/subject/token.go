package subject

import "strings"

const hexDigits = "0123456789abcdef"

// plain reports whether c stands for itself in a token.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// Escape writes any text as one token of a NATS subject that is also valid in
// a KV key: each byte outside [A-Za-z0-9_-] becomes "=" and two lower-case hex
// digits. Text of plain bytes is returned as it is. The empty text has no
// token: Escape("") is "", and the caller refuses it.
func Escape(text string) string {
	n := 0
	for i := range len(text) {
		if !plain(text[i]) {
			n++
		}
	}
	if n == 0 {
		return text
	}
	b := make([]byte, 0, len(text)+2*n)
	for i := range len(text) {
		if c := text[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

// Unescape is the reverse of Escape. It reports false for what Escape never
// writes: an empty token, upper-case hex, or a plain byte that is escaped. So
// a text has one token and a room one subject.
func Unescape(token string) (text string, ok bool) {
	if token == "" {
		return "", false
	}
	if strings.IndexByte(token, '=') < 0 {
		for i := range len(token) {
			if !plain(token[i]) {
				return "", false
			}
		}
		return token, true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if plain(c) {
			b = append(b, c)
			continue
		}
		if c != '=' || i+2 >= len(token) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, token[i+1]), strings.IndexByte(hexDigits, token[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		c = byte(hi<<4 | lo) //nolint:gosec // both are 0 to 15
		if plain(c) {
			return "", false
		}
		b = append(b, c)
		i += 2
	}
	return string(b), true
}
