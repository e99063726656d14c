package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubmesh/hubmesh/authz/internal/token"
	"github.com/hubmesh/hubmesh/shared/wire"
)

const secret = "0123456789abcdef0123456789abcdef"

// now is when every token of these tests is looked at.
func now() time.Time { return time.Unix(1_700_000_000, 500_000_000) }

func verifier(tb testing.TB, cfg token.Config) *token.Verifier {
	tb.Helper()
	v, err := token.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// signed is a token of the claims, as text, under the secret.
func signed(tb testing.TB, claims string) string {
	tb.Helper()
	return sign(tb, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, claims)
}

// sign makes a token by hand: header and claims are signed whatever they say.
func sign(tb testing.TB, m jwt.SigningMethod, key any, header, claims string) string {
	tb.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sig, err := m.Sign(text, key)
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// judged is what Verify made of a token, in a word.
func judged(t *testing.T, v *token.Verifier, text string) string {
	t.Helper()
	_, err := v.Verify(text, now())
	if err == nil {
		return "good"
	}
	var r *token.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("Verify: %T %v, want a *Refusal", err, err)
	}
	if r.Message == "" {
		t.Error("a refusal says nothing")
	}
	return string(r.Code)
}

func TestClaimsAreJudged(t *testing.T) {
	const unauthorized, expired = string(wire.Unauthorized), string(wire.TokenExpired)
	strict := token.Config{Secret: secret, Issuer: "https://id.example.com", Audience: "mesh"}
	open := token.Config{Secret: secret}
	for name, c := range map[string]struct {
		cfg    token.Config
		claims string
		want   string
	}{
		"a user is enough":                                {open, `{"sub":"ann"}`, "good"},
		"exp ahead":                                       {open, `{"sub":"ann","exp":1700000001}`, "good"},
		"exp ahead by a fraction":                         {open, `{"sub":"ann","exp":1700000000.501}`, "good"},
		"exp reached":                                     {open, `{"sub":"ann","exp":1700000000.5}`, expired},
		"exp passed by a fraction":                        {open, `{"sub":"ann","exp":1700000000.499}`, expired},
		"exp long passed":                                 {open, `{"sub":"ann","exp":0}`, expired},
		"exp in milliseconds":                             {open, `{"sub":"ann","exp":1700000001000}`, unauthorized},
		"exp that is text":                                {open, `{"sub":"ann","exp":"1700000001"}`, unauthorized},
		"exp that is nothing":                             {open, `{"sub":"ann","exp":null}`, unauthorized},
		"exp before time":                                 {open, `{"sub":"ann","exp":-1}`, unauthorized},
		"exp beyond numbers":                              {open, `{"sub":"ann","exp":1e999}`, unauthorized},
		"nbf ahead within the leeway":                     {open, `{"sub":"ann","nbf":1700000030}`, "good"},
		"nbf ahead beyond the leeway":                     {open, `{"sub":"ann","nbf":1700000031}`, unauthorized},
		"iat ahead within the leeway":                     {open, `{"sub":"ann","iat":1700000030.5}`, "good"},
		"iat ahead beyond the leeway":                     {open, `{"sub":"ann","iat":1700000030.6}`, unauthorized},
		"no sub":                                          {open, `{"name":"ann"}`, unauthorized},
		"sub in another case":                             {open, `{"SUB":"ann"}`, unauthorized},
		"sub that is a number":                            {open, `{"sub":42}`, unauthorized},
		"sub that is nothing":                             {open, `{"sub":null}`, unauthorized},
		"an empty sub":                                    {open, `{"sub":""}`, unauthorized},
		"sub with a control character":                    {open, `{"sub":"ann\n"}`, unauthorized},
		"sub of 128 bytes":                                {open, `{"sub":"` + strings.Repeat("a", 128) + `"}`, "good"},
		"sub of 129 bytes":                                {open, `{"sub":"` + strings.Repeat("a", 129) + `"}`, unauthorized},
		"claims 16 deep":                                  {open, `{"sub":"ann","a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, "good"},
		"claims 17 deep":                                  {open, `{"sub":"ann","a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, unauthorized},
		"brackets in text are not deep":                   {open, `{"sub":"ann","a":"\"` + strings.Repeat("[{", 30) + `"}`, "good"},
		"claims that are a list":                          {open, `["sub","ann"]`, unauthorized},
		"claims that are nothing":                         {open, `null`, unauthorized},
		"claims that are no JSON":                         {open, `{"sub":"ann"`, unauthorized},
		"claims that are no UTF-8":                        {open, "{\"sub\":\"ann\",\"a\":\"\xff\"}", unauthorized},
		"issuer and audience fit":                         {strict, `{"sub":"ann","iss":"https://id.example.com","aud":"mesh"}`, "good"},
		"one of the audiences fits":                       {strict, `{"sub":"ann","iss":"https://id.example.com","aud":["app","mesh"]}`, "good"},
		"another issuer":                                  {strict, `{"sub":"ann","iss":"https://id.example.org","aud":"mesh"}`, unauthorized},
		"no issuer":                                       {strict, `{"sub":"ann","aud":"mesh"}`, unauthorized},
		"a list of issuers":                               {strict, `{"sub":"ann","iss":["https://id.example.com"],"aud":"mesh"}`, unauthorized},
		"another audience":                                {strict, `{"sub":"ann","iss":"https://id.example.com","aud":["app"]}`, unauthorized},
		"no audience":                                     {strict, `{"sub":"ann","iss":"https://id.example.com"}`, unauthorized},
		"a wrong audience weighs more than the end":       {strict, `{"sub":"ann","iss":"https://id.example.com","exp":1}`, unauthorized},
		"issuer and audience are not looked at otherwise": {open, `{"sub":"ann","iss":1,"aud":{}}`, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judged(t, verifier(t, c.cfg), signed(t, c.claims)); got != c.want {
				t.Errorf("%s is %s, want %s", c.claims, got, c.want)
			}
		})
	}
}

func TestWhatIsVerifiedIsTold(t *testing.T) {
	got, err := verifier(t, token.Config{Secret: secret}).Verify(
		signed(t, `{"sub":"ann@example.com","exp":1800000000.123,"teams":["red"],"nested":{"a":[1,2.50]}}`), now())
	if err != nil {
		t.Fatal(err)
	}
	if got.User != "ann@example.com" || got.ExpiresAt.UnixMilli() != 1_800_000_000_123 {
		t.Errorf("user %q until %d, want ann@example.com until 1800000000123", got.User, got.ExpiresAt.UnixMilli())
	}
	text, err := json.Marshal(got.Claims)
	const want = `{"exp":1800000000.123,"nested":{"a":[1,2.50]},"sub":"ann@example.com","teams":["red"]}`
	if err != nil || string(text) != want {
		t.Errorf("claims are %s, %v, want %s", text, err, want)
	}
	got, err = verifier(t, token.Config{Secret: secret}).Verify(signed(t, `{"sub":"ann"}`), now())
	if err != nil || !got.ExpiresAt.IsZero() {
		t.Errorf("without exp it expires at %v, %v, want never", got.ExpiresAt, err)
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	good := signed(t, `{"sub":"ann"}`)
	head, rest, _ := strings.Cut(good, ".")
	body, sig, _ := strings.Cut(rest, ".")
	hs := jwt.SigningMethodHS256
	for name, text := range map[string]string{
		"nothing":                        "",
		"a word":                         "ann",
		"two parts":                      head + "." + body,
		"four parts":                     good + "." + sig,
		"no signature":                   head + "." + body + ".",
		"a signature of something else":  head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"bob"}`)) + "." + sig,
		"a signature spelt with padding": good + "=",
		"a signature's other spelling":   head + "." + body + "." + otherSpelling(t, sig),
		"a space":                        good + " ",
		"no algorithm":                   sign(t, hs, []byte(secret), `{}`, `{"sub":"ann"}`),
		"another algorithm of the kind":  sign(t, jwt.SigningMethodHS512, []byte(secret), `{"alg":"HS512"}`, `{"sub":"ann"}`),
		"another secret":                 sign(t, hs, []byte(secret+"!"), `{"alg":"HS256"}`, `{"sub":"ann"}`),
		"a critical header":              sign(t, hs, []byte(secret), `{"alg":"HS256","crit":["b64"],"b64":false}`, `{"sub":"ann"}`),
		"the algorithm none":             sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, `{"alg":"none"}`, `{"sub":"ann"}`),
		"the algorithm NONE":             sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, `{"alg":"NONE"}`, `{"sub":"ann"}`),
		"more than 8 KiB":                signed(t, `{"sub":"ann","a":"`+strings.Repeat("a", token.MaxBytes)+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			if got := judged(t, verifier(t, token.Config{Secret: secret}), text); got != string(wire.Unauthorized) {
				t.Errorf("%.60q is %s, want unauthorized", text, got)
			}
		})
	}
}

// otherSpelling changes the bits of the last letter that carry nothing.
func otherSpelling(t *testing.T, sig string) string {
	t.Helper()
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(letters, sig[len(sig)-1])
	other := sig[:len(sig)-1] + string(letters[i^1])
	a, errA := base64.RawURLEncoding.DecodeString(sig)
	b, errB := base64.RawURLEncoding.DecodeString(other)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Fatalf("%s is not another spelling of %s", other, sig)
	}
	return other
}

func TestARefusalShowsNothingOfTheToken(t *testing.T) {
	v := verifier(t, token.Config{Secret: secret, Issuer: "https://id.example.com"})
	for _, text := range []string{
		"passw0rd", "passw0rd.passw0rd.passw0rd",
		signed(t, `{"sub":"ann","iss":"passw0rd"}`), signed(t, `passw0rd`),
		sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"passw0rd"}`, `{"sub":"ann"}`),
	} {
		if _, err := v.Verify(text, now()); err == nil || strings.Contains(err.Error(), "passw0rd") {
			t.Errorf("Verify(%q): %v, want an error without passw0rd", text, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("")
	f.Add("a.b.c")
	f.Add(signed(f, `{"sub":"ann","exp":1700000001.5,"rooms":["task:*"]}`))
	f.Add(signed(f, `{"sub":"ann","nbf":1e5,"aud":["mesh"]}`))
	v := verifier(f, token.Config{Secret: secret})
	f.Fuzz(func(t *testing.T, text string) {
		got, err := v.Verify(text, now())
		var r *token.Refusal
		switch {
		case err == nil && got.User == "":
			t.Error("believed without a user")
		case err != nil && (!errors.As(err, &r) || r.Code == "" || got.User != "" || got.Claims != nil):
			t.Errorf("refused as %v with %+v", err, got)
		}
	})
}

// FuzzClaims reaches what lies behind the signature.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"sub":"ann"}`, `{"sub":"ann","exp":17e8,"iat":0,"nbf":1.5}`, `[[[]]]`, `{"sub":"\ud800"}`} {
		f.Add(s)
	}
	v := verifier(f, token.Config{Secret: secret})
	f.Fuzz(func(t *testing.T, claims string) {
		got, err := v.Verify(signed(t, claims), now())
		if err != nil {
			return
		}
		if !json.Valid([]byte(claims)) {
			t.Errorf("believed %q, which is no JSON", claims)
		}
		if _, err := json.Marshal(got.Claims); err != nil {
			t.Errorf("claims of %q cannot be passed on: %v", claims, err)
		}
	})
}

func ExampleVerifier_Verify() {
	const secret = "a secret of thirty-two bytes now"
	v, err := token.New(token.Config{Secret: secret})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Unix(1_700_000_000, 0)
	text, err := token.Mint(secret, "ann", map[string]any{"teams": []string{"red"}}, time.Hour, at)
	if err != nil {
		fmt.Println(err)
		return
	}
	good, err := v.Verify(text, at)
	fmt.Println(good.User, string(good.Claims["teams"]), err)
	_, err = v.Verify(text, at.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// ann ["red"] <nil>
	// token: token_expired: the token has expired
}
