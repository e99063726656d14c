package token

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubmesh/hubmesh/shared/subject"
)

// Mint signs a token of the user sub with secret by HS256, issued at now. It
// expires after ttl, exact to the millisecond, or never if ttl is 0. Claims
// are put beside sub, iat and exp, which they cannot name.
func Mint(secret, sub string, claims map[string]any, ttl time.Duration, now time.Time) (string, error) {
	if err := CheckSecret(secret); err != nil {
		return "", err
	}
	if !subject.ValidUser(sub) {
		return "", fmt.Errorf("token: mint for %q: a user has 1 to 128 bytes without control characters", sub)
	}
	if ttl < 0 {
		return "", fmt.Errorf("token: mint for %q: ttl %v is below zero", sub, ttl)
	}
	for _, own := range []string{"sub", "iat", "exp"} {
		if _, ok := claims[own]; ok {
			return "", fmt.Errorf("token: mint for %q: claim %s is set by itself", sub, own)
		}
	}
	all := jwt.MapClaims{}
	maps.Copy(all, claims)
	all["sub"], all["iat"] = sub, now.Unix()
	if ttl > 0 {
		all["exp"] = seconds(now.Add(ttl))
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		return "", fmt.Errorf("token: mint for %q: %w", sub, err)
	}
	if len(text) > MaxBytes {
		return "", fmt.Errorf("token: mint for %q: it would have %d bytes, at most %d are taken", sub, len(text), MaxBytes)
	}
	return text, nil
}

// seconds is t in unix seconds, with milliseconds only where there are some:
// whole numbers are what every other reader takes.
func seconds(t time.Time) json.Number {
	s := strconv.FormatInt(t.Unix(), 10)
	if ms := t.UnixMilli() % 1000; ms != 0 {
		s += fmt.Sprintf(".%03d", ms)
	}
	return json.Number(s)
}
