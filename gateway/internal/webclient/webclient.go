// Package webclient serves the JavaScript client to pages without a bundler:
// import { Hub } from "/hubmesh.js".
//
// hubmesh.js is built from clients/js; a test there compares the two, and
// `npm run embed` makes it anew. This package knows nothing of what is in it.
package webclient

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the client
	"encoding/hex"
	"net/http"
	"time"
)

// Path is where pages find the client.
const Path = "/hubmesh.js"

//go:embed hubmesh.js
var script []byte

// Handler serves the client, to pages of any origin. A browser that has it asks
// whether it is the same still, so that a gateway's update is a page's as well.
func Handler() http.Handler {
	sum := sha256.Sum256(script)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(script))
	})
}
