// Package limit is what a limit says: its text, its built-in values, and the
// arithmetic of spending it.
//
// It holds no state and no clock. A bucket is one time that its owner keeps: a
// gateway beside a connection, ratelimit in a KV bucket; both spend it with
// the same Take. Who is limited by what is theirs too.
//
// Read limit.go for the text, then take.go for the arithmetic.
package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/shared/env"
)

// Limit is one limit. The zero Limit is off: it bounds nothing.
type Limit struct {
	Count  int           // tokens a Period, or how many at once where Period is 0
	Period time.Duration // 0: Count is a plain number, and nothing comes back with time
	Burst  int           // tokens of a full bucket; 0 for a plain number
}

// MaxFill bounds the time in which a bucket fills. It keeps every sum of Take
// far inside 63 bits, and a mistyped limit from locking somebody out for a
// year.
const MaxFill = 30 * 24 * time.Hour

// most bounds Count and Burst, so that they fit an int of 32 bits too.
const most = 1 << 30

// Parse reads the text of a limit:
//
//	100/1m            100 tokens a minute, a full bucket holds 100
//	30/1s burst 60    30 tokens a second, a full bucket holds 60
//	10MiB/1m          the same in bytes
//	20                a plain number
//	off               no limit
//
// Limit.String writes it back.
func Parse(text string) (Limit, error) {
	l, why := parse(strings.TrimSpace(text))
	if why != "" {
		return Limit{}, fmt.Errorf("limit: parse %q: %s", text, why)
	}
	return l, nil
}

func parse(text string) (l Limit, why string) {
	if text == "off" {
		return Limit{}, ""
	}
	rate, burst, bursts := strings.Cut(text, " burst ")
	count, period, timed := strings.Cut(rate, "/")
	if l.Count, why = number(count); why != "" {
		return Limit{}, why
	}
	if !timed {
		if bursts {
			return Limit{}, "a burst needs a period, as in 30/1s burst 60"
		}
		return l, ""
	}
	var err error
	if l.Period, err = time.ParseDuration(strings.TrimSpace(period)); err != nil || l.Period <= 0 {
		return Limit{}, "want a period such as 1s, 1m or 1h"
	}
	l.Burst = l.Count
	if bursts {
		if l.Burst, why = number(burst); why != "" {
			return Limit{}, why
		}
	}
	if time.Duration(l.Count) > l.Period {
		return Limit{}, "more than one a nanosecond"
	}
	if l.interval() > int64(MaxFill)/int64(l.Burst) {
		return Limit{}, "the bucket would take over 30 days to fill"
	}
	return l, ""
}

func number(text string) (n int, why string) {
	v, err := env.ParseBytes(strings.TrimSpace(text))
	if err != nil || v > most {
		return 0, "want N, N/period or N/period burst B with numbers from 1 to 1073741824, or off"
	}
	return int(v), ""
}

// Off reports whether l bounds nothing.
func (l Limit) Off() bool { return l.Count == 0 }

// Timed reports whether l gives tokens back with time, so that Take can spend
// it.
func (l Limit) Timed() bool { return l.Period > 0 }

// String is the shortest text that Parse reads as l.
func (l Limit) String() string {
	switch {
	case l.Off():
		return "off"
	case !l.Timed():
		return strconv.Itoa(l.Count)
	case l.Burst == l.Count:
		return strconv.Itoa(l.Count) + "/" + short(l.Period)
	}
	return strconv.Itoa(l.Count) + "/" + short(l.Period) + " burst " + strconv.Itoa(l.Burst)
}

// short is "1m" where Duration.String says "1m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-len("0s")]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-len("0m")]
	}
	return s
}
