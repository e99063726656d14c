package socket

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// fault is how a connection ends whose client broke RFC 6455 or UTF-8.
const (
	fault   = "close 1002 protocol error"
	notUTF8 = "close 1007 text is not UTF-8"
)

// conversation is what a client sends and what it hears, to the end. What
// follows a close is not answered.
type conversation struct {
	sends string
	hears []string
}

// bye ends a conversation as clients do.
var bye = closing(1000, "")

// after is a conversation that the client ends when it has sent all.
func after(sends string, hears ...string) conversation {
	return conversation{sends + bye, append(hears, "close 1000")}
}

func TestTheProtocolIsKept(t *testing.T) {
	addr := newHouse(t, nil).serveHTTP(t, echo{})
	for _, group := range []map[string]conversation{
		messages(), pings(), reserved(), fragments(), lengths(), utf8Texts(), closes(),
	} {
		for name, c := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := dial(t, addr, "/", "")
				p.send(t, c.sends)
				if got := p.all(); !slices.Equal(got, c.hears) {
					t.Errorf("heard %s, want %s", brief(got), brief(c.hears))
				}
			})
		}
	}
}

// TestAFrameMayComeInAnyPieces sends what has every kind of frame byte by
// byte, the first together with the handshake.
func TestAFrameMayComeInAnyPieces(t *testing.T) {
	addr := newHouse(t, nil).serveHTTP(t, echo{})
	p := dial(t, addr, "/", masked(fin|text, "early"))
	sends := masked(text, "a") + masked(fin|ping, "p") + masked(fin|more, "b") + masked(fin|bin, strings.Repeat("x", 300)) + bye
	for i := range len(sends) {
		p.send(t, sends[i:i+1])
	}
	want := []string{"text early", "pong p", "text ab", "binary " + strings.Repeat("x", 300), "close 1000"}
	if got := p.all(); !slices.Equal(got, want) {
		t.Errorf("heard %s, want %s", brief(got), brief(want))
	}
}

// brief cuts long payloads.
func brief(heard []string) string {
	short := make([]string, len(heard))
	for i, h := range heard {
		if short[i] = h; len(h) > 60 {
			short[i] = fmt.Sprintf("%s… (%d)", h[:60], len(h))
		}
	}
	return fmt.Sprintf("%q", short)
}

func messages() map[string]conversation {
	cases := map[string]conversation{}
	for _, size := range []int{0, 1, 125, 126, 127, 128, 0xffff, 0x10000, 1 << 20} {
		x := strings.Repeat("x", size)
		cases[fmt.Sprintf("a text of %d bytes", size)] = after(masked(fin|text, x), "text "+x)
		b := strings.Repeat("\xfe", size)
		cases[fmt.Sprintf("bytes of any kind, %d", size)] = after(masked(fin|bin, b), "binary "+b)
	}
	return cases
}

func pings() map[string]conversation {
	most := strings.Repeat("\xfe", width)
	return map[string]conversation{
		"an empty ping":                       after(masked(fin|ping, ""), "pong "),
		"a ping with a text":                  after(masked(fin|ping, "hello"), "pong hello"),
		"a ping with the most it can bring":   after(masked(fin|ping, most), "pong "+most),
		"a ping with more than that":          {masked(fin|ping, most+"x"), []string{fault}},
		"a pong that nobody asked for":        after(masked(fin|pong, "x")),
		"pongs and pings in between":          after(masked(fin|pong, "x")+masked(fin|ping, "y")+masked(fin|pong, ""), "pong y"),
		"ten pings":                           after(strings.Repeat(masked(fin|ping, "z"), 10), slices.Repeat([]string{"pong z"}, 10)...),
		"a ping in fragments":                 {masked(ping, "a") + masked(fin|more, "b"), []string{fault}},
		"a pong in fragments":                 {masked(pong, "a") + masked(fin|more, "b"), []string{fault}},
		"a ping between fragments":            after(masked(text, "a")+masked(fin|ping, "p")+masked(fin|more, "b"), "pong p", "text ab"),
		"a frame that is not masked":          {string(head(fin|text, 1, false)) + "x", []string{fault}},
		"a ping that is not masked":           {string(head(fin|ping, 0, false)), []string{fault}},
		"a good message before a bad one":     {masked(fin|text, "a") + masked(fin|0x3, "b"), []string{"text a", fault}},
		"a good message after a bad one":      {masked(fin|0x3, "b") + masked(fin|text, "a"), []string{fault}},
		"a ping after a frame not understood": {masked(fin|0xb, "") + masked(fin|ping, "p"), []string{fault}},
	}
}

func reserved() map[string]conversation {
	cases := map[string]conversation{}
	for bits := byte(rsv3); bits != 0x80; bits += rsv3 {
		for _, op := range []byte{text, bin, ping, pong, cls} {
			cases[fmt.Sprintf("reserved bits %#x with opcode %#x", bits, op)] = conversation{masked(fin|bits|op, ""), []string{fault}}
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		cases[fmt.Sprintf("reserved opcode %#x", op)] = conversation{masked(fin|op, "x"), []string{fault}}
	}
	return cases
}

func fragments() map[string]conversation {
	return map[string]conversation{
		"a text in two":                           after(masked(text, "a")+masked(fin|more, "b"), "text ab"),
		"bytes in three":                          after(masked(bin, "a")+masked(more, "b")+masked(fin|more, "c"), "binary abc"),
		"an empty text in three":                  after(masked(text, "")+masked(more, "")+masked(fin|more, ""), "text "),
		"an empty first and last":                 after(masked(text, "")+masked(more, "b")+masked(fin|more, ""), "text b"),
		"a thousand":                              after(masked(text, "")+strings.Repeat(masked(more, "x"), 1000)+masked(fin|more, ""), "text "+strings.Repeat("x", 1000)),
		"pings between all":                       after(masked(text, "a")+masked(fin|ping, "1")+masked(more, "b")+masked(fin|ping, "2")+masked(fin|more, "c"), "pong 1", "pong 2", "text abc"),
		"a last one without a first":              {masked(fin|more, "x"), []string{fault}},
		"one that is neither first nor last":      {masked(more, "x"), []string{fault}},
		"a last one after a whole message":        {masked(fin|text, "a") + masked(fin|more, "b"), []string{"text a", fault}},
		"a whole message between":                 {masked(text, "a") + masked(fin|text, "b"), []string{fault}},
		"a first one between":                     {masked(text, "a") + masked(text, "b"), []string{fault}},
		"bytes between texts":                     {masked(text, "a") + masked(fin|bin, "b"), []string{fault}},
		"reserved bits in a later one":            {masked(text, "a") + masked(fin|rsv1|more, "b"), []string{fault}},
		"a close between":                         {masked(text, "a") + closing(1000, ""), []string{"close 1000"}},
		"a message after one that was whole":      after(masked(text, "a")+masked(fin|more, "b")+masked(fin|bin, "c"), "text ab", "binary c"),
		"a reserved bit of two with a later ping": {masked(rsv2|text, "a") + masked(fin|ping, ""), []string{fault}},
	}
}

func lengths() map[string]conversation {
	most := strings.Repeat("x", 1<<20)
	tooLarge := []string{"close 1009 message too large"}
	return map[string]conversation{
		"one byte more than a message may have":              {masked(fin|text, most+"x"), tooLarge},
		"one byte more in a fragment":                        {masked(text, most) + masked(fin|more, "x"), tooLarge},
		"a message of all that 63 bits can say":              {string(head(fin|text, 1<<63-1, true)) + "mask", tooLarge},
		"a fragment of all that 63 bits can say":             {masked(text, "x") + string(head(fin|more, 1<<63-1, true)) + "mask", tooLarge},
		"a length whose first bit is set":                    {string(head(fin|text, 1<<63, true)) + "mask", []string{fault}},
		"a control frame with a length in more bytes":        {string(head(fin|ping, 126, true)) + "mask", []string{fault}},
		"a control frame of all that 63 bits can say":        {string(head(fin|cls, 1<<63-1, true)) + "mask", []string{fault}},
		"a short length written long is read":                after(string([]byte{fin | text, 0xfe, 0, 1, 0, 0, 0, 0, 'a'}), "text a"),
		"a message begun and not ended is nothing to answer": {masked(text, "a") + closing(1001, ""), []string{"close 1001"}},
	}
}

func closes() map[string]conversation {
	long := strings.Repeat("r", 123)
	cases := map[string]conversation{
		"a close without a body":                 {masked(fin|cls, ""), []string{"close 1000"}},
		"a close with half a code":               {masked(fin|cls, "\x03"), []string{fault}},
		"a close with a reason":                  {closing(1000, "done"), []string{"close 1000"}},
		"a close with the longest reason":        {closing(1000, long), []string{"close 1000"}},
		"a close with a longer one":              {closing(1000, long+"r"), []string{fault}},
		"a close whose reason is no UTF-8":       {closing(1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), []string{notUTF8}},
		"a close in fragments":                   {masked(cls, ""), []string{fault}},
		"a text after the close is not answered": {bye + masked(fin|text, "x"), []string{"close 1000"}},
		"a ping after the close is not answered": {bye + masked(fin|ping, "x"), []string{"close 1000"}},
		"a second close is not answered":         {bye + bye, []string{"close 1000"}},
		"what came before the close is answered": {masked(fin|text, "x") + bye, []string{"text x", "close 1000"}},
	}
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases[fmt.Sprintf("a close with code %d", code)] = conversation{closing(code, "x"), []string{fmt.Sprintf("close %d", code)}}
	}
	for _, code := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases[fmt.Sprintf("a close with code %d, which is none", code)] = conversation{closing(code, "x"), []string{fault}}
	}
	return cases
}

func utf8Texts() map[string]conversation {
	cases := map[string]conversation{}
	good := []string{
		"κόσμε", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
		"\U00010000", "\U0010ffff", "Hello-µ@ßöäüàá-UTF-8!!", "\ufeff",
	}
	for _, s := range good {
		cases[fmt.Sprintf("the text %+q", s)] = after(masked(fin|text, s), "text "+s)
		for cut := range len(s) {
			cases[fmt.Sprintf("the text %+q, cut at %d", s, cut)] = after(masked(text, s[:cut])+masked(fin|more, s[cut:]), "text "+s)
		}
	}
	bad := []string{
		"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", // overlong
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // surrogates
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff", // beyond
		"\xc2", "\xe1\xbd", "\xf0\x90\x80", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", // cut short
	}
	for _, s := range bad {
		cases[fmt.Sprintf("%+q, which is no text", s)] = conversation{masked(fin|text, "a"+s+"b"), []string{notUTF8}}
		cases[fmt.Sprintf("%+q, which is no text, in two", s)] = conversation{masked(text, "a"+s[:1]) + masked(fin|more, s[1:]+"b"), []string{notUTF8}}
		cases[fmt.Sprintf("%+q as bytes", s)] = after(masked(fin|bin, s), "binary "+s)
	}
	cases["half a letter at the end"] = conversation{masked(fin|text, "κ\xce"), []string{notUTF8}}
	return cases
}
