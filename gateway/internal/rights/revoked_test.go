package rights

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

func claims(text string) (c map[string]json.RawMessage) {
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		panic(err)
	}
	return c
}

func TestATokenIsRevokedUnderItsUserAndItsID(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`:                {"user.ann=40x"},
		`{"jti":"7/f"}`:     {"user.ann=40x", "jti.7=2ff"},
		`{"jti":""}`:        {"user.ann=40x"},
		`{"jti":7}`:         {"user.ann=40x"},
		`{"jti":["a"]}`:     {"user.ann=40x"},
		`{"other":"a.b c"}`: {"user.ann=40x"},
	} {
		if got := Keys("ann@x", claims(text)); !slices.Equal(got, want) {
			t.Errorf("Keys(ann@x, %s) = %v, want %v", text, got, want)
		}
	}
}

func TestWhatWasIssuedBeforeOrDoesNotSayWhenIsRevoked(t *testing.T) {
	for text, want := range map[string]float64{
		`{"iat":1000}`:   1000,
		`{"iat":1000.5}`: 1000.5,
		`{"iat":null}`:   math.Inf(-1),
		`{"iat":"1000"}`: math.Inf(-1),
		`{}`:             math.Inf(-1),
	} {
		if got := issued(claims(text)); got != want {
			t.Errorf("issued(%s) = %v, want %v", text, got, want)
		}
	}
	if (&Revoked{}).Voids("ann", nil) {
		t.Error("a token is revoked before anything is heard")
	}
}

func TestATimeThatCannotBeReadRevokesEverything(t *testing.T) {
	for text, want := range map[string]float64{"1700000000": 1_700_000_000, "now": math.Inf(1), "": math.Inf(1)} {
		if got, err := readTime([]byte(text)); err != nil || got != want {
			t.Errorf("readTime(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

// FuzzRevocation reads what others write: a bucket's value and a token's claims.
func FuzzRevocation(f *testing.F) {
	f.Add("1700000000", `{"iat":1,"jti":"a"}`)
	f.Add("NaN", `{"iat":"x","jti":{}}`)
	f.Fuzz(func(t *testing.T, value, text string) {
		if at, _ := readTime([]byte(value)); math.IsNaN(at) {
			t.Errorf("readTime(%q) is no number", value)
		}
		var c map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		if at := issued(c); math.IsNaN(at) {
			t.Errorf("issued(%q) is no number", text)
		}
		if n := len(Keys("ann", c)); n < 1 || n > 2 {
			t.Errorf("Keys(%q) are %d", text, n)
		}
	})
}
