package authz_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/hubmesh/hubmesh/authz"
)

func ExampleMint() {
	const secret = "a secret of thirty-two bytes now"
	token, err := authz.Mint(secret, "ann", map[string]any{"teams": []string{"red", "blue"}}, time.Hour, time.Unix(1_700_000_000, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	fmt.Println(string(claims), err)
	// Output:
	// {"exp":1700003600,"iat":1700000000,"sub":"ann","teams":["red","blue"]} <nil>
}
