package e2e

import (
	"slices"
	"testing"
)

// here is a face that all have in these stories.
func here() face { return face{Status: "online"} }

// tellings spells words on one room: "+ann" joins, "-ann" leaves, "~ann" is away.
func tellings(all ...string) (words []word) {
	for _, s := range all {
		w := word{room: "r", user: s[1:]}
		switch s[0] {
		case '+':
			w.change, w.face = "join", here()
		case '-':
			w.change, w.face = "leave", face{Status: "offline"}
		case '~':
			w.change, w.face = "status", face{Status: "away"}
		}
		words = append(words, w)
	}
	return words
}

// shows is people who are online.
func shows(users ...string) people {
	p := people{}
	for _, u := range users {
		p[u] = here()
	}
	return p
}

func TestThePresenceCheckerFindsWhatIsPlantedInASight(t *testing.T) {
	told := tellings("+ann", "+bob", "+eve", "-bob", "~eve", "+bob")
	is := people{"ann": here(), "bob": here(), "eve": {Status: "away"}}
	from := func(shown people, heard ...string) sight {
		return sight{user: "ann", room: "r", shown: shown, heard: tellings(heard...), last: true}
	}
	early := func(s sight) sight { s.last = false; return s }
	holed := func(s sight) sight { s.holes = true; return s }
	stories := map[string]struct {
		sight
		right bool
	}{
		"all from the beginning":                            {from(shows("ann"), "+bob", "+eve", "-bob", "~eve", "+bob"), true},
		"a roster in the middle":                            {from(shows("ann", "bob", "eve"), "-bob", "~eve", "+bob"), true},
		"a roster at the end":                               {from(is), true},
		"a part, then the connection ended":                 {early(from(shows("ann", "bob"), "+eve")), true},
		"nothing, then the connection ended":                {early(from(shows("ann", "bob"))), true},
		"no roster":                                         {from(nil), true},
		"a pair told as nothing after a hole":               {holed(from(shows("ann", "bob", "eve"), "~eve")), true},
		"a pair told as its join after a hole":              {holed(from(shows("ann", "bob", "eve"), "~eve", "+bob")), true},
		"a ghost in the roster":                             {from(shows("ann", "bob", "eve", "zoe"), "-bob", "~eve", "+bob"), false},
		"a ghost that was joined":                           {from(shows("ann", "bob", "eve"), "-bob", "~eve", "+bob", "+zoe"), false},
		"a ghost after a hole":                              {holed(from(shows("ann", "bob", "eve", "zoe"), "~eve")), false},
		"a member missing from the roster":                  {from(shows("ann", "bob"), "-bob", "~eve", "+bob"), false},
		"a member whose join was not heard":                 {from(shows("ann"), "+bob", "-bob", "~eve", "+bob"), false},
		"a member missing after a hole":                     {holed(from(shows("ann", "bob"))), false},
		"a state that never was, then the connection ended": {early(from(shows("ann", "zoe"))), false},
		"a double join":                                     {from(shows("ann"), "+bob", "+bob", "+eve", "-bob", "~eve", "+bob"), false},
		"a double leave":                                    {from(shows("ann", "bob", "eve"), "-bob", "-bob", "~eve", "+bob"), false},
		"a double status":                                   {from(shows("ann", "bob", "eve"), "-bob", "~eve", "~eve", "+bob"), false},
		"a double of what the roster has":                   {from(shows("ann", "bob", "eve"), "+eve", "-bob", "~eve", "+bob"), false},
		"a loss at the end":                                 {from(shows("ann", "bob", "eve"), "-bob", "~eve"), false},
		"a pair lost where there was no hole":               {from(shows("ann", "bob", "eve"), "~eve"), false},
		"another order":                                     {from(shows("ann", "bob", "eve"), "~eve", "-bob", "+bob"), false},
		"an old status":                                     {from(shows("ann", "bob", "eve")), false},
		"a roster without itself":                           {from(shows("bob", "eve"), "-bob", "~eve", "+bob"), false},
	}
	for name, s := range stories {
		if err := s.check(told, is); (err == nil) != s.right {
			t.Errorf("%s: %v, want an error: %v", name, err, !s.right)
		}
	}
}

func TestThePresenceCheckerFindsWhatIsPlantedInWhatWasTold(t *testing.T) {
	most := map[whom]int{{"r", "ann"}: 1, {"r", "bob"}: 2}
	stories := map[string]struct {
		told  []word
		right bool
	}{
		"each change once":             {tellings("+ann", "+bob", "~bob", "-bob", "+bob"), true},
		"nothing":                      {nil, true},
		"a join told twice":            {tellings("+ann", "+bob", "+bob"), false},
		"a leave told twice":           {tellings("+bob", "-bob", "-bob"), false},
		"a status told twice":          {tellings("+bob", "~bob", "~bob"), false},
		"a leave of one who never was": {tellings("-bob"), false},
		"a status of one who has left": {tellings("+bob", "-bob", "~bob"), false},
		"a ghost":                      {tellings("+zoe"), false},
		"one who flickered":            {tellings("+ann", "-ann", "+ann"), false},
	}
	for name, s := range stories {
		if err := announced(s.told, most); (err == nil) != s.right {
			t.Errorf("%s: %v, want an error: %v", name, err, !s.right)
		}
	}
}

func TestThePresenceCheckerFindsWhatIsPlantedInTheLifeOfAConnection(t *testing.T) {
	stories := map[string]struct {
		marks    []mark
		answered bool
		right    bool
	}{
		"one start and one end":                   {[]mark{begins, ends}, true, true},
		"held after a lost lease":                 {[]mark{begins, holds, ends}, true, true},
		"swept, and held nonetheless":             {[]mark{begins, ends, holds, ends}, true, true},
		"no start, and nobody answered":           {[]mark{ends}, false, true},
		"no start, held, and nobody answered":     {[]mark{ends, holds, ends}, false, true},
		"no start":                                {[]mark{ends}, true, false},
		"no end":                                  {[]mark{begins}, true, false},
		"two ends":                                {[]mark{begins, ends, ends}, true, false},
		"two ends, and nobody answered":           {[]mark{ends, ends}, false, false},
		"two starts":                              {[]mark{begins, begins, ends}, true, false},
		"swept, held, and never ended":            {[]mark{begins, ends, holds}, true, false},
		"nothing":                                 {nil, false, false},
		"a start after the end":                   {[]mark{ends, begins}, false, false},
		"a start after the end, and a second end": {[]mark{ends, begins, ends}, false, false},
		"two ends after it was held once":         {[]mark{begins, holds, ends, ends}, true, false},
	}
	for name, s := range stories {
		again, err := lived(s.marks, s.answered)
		if held := len(slices.DeleteFunc(slices.Clone(s.marks), func(m mark) bool { return m != holds })); (err == nil) != s.right || again != held {
			t.Errorf("%s: held %d times, %v; want an error: %v", name, again, err, !s.right)
		}
	}
}
