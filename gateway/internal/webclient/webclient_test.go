package webclient_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/gateway/internal/webclient"
)

func TestPagesOfAnyOriginLoadTheClientAndKeepItWhileItIsTheSame(t *testing.T) {
	get := func(known string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, webclient.Path, nil)
		r.Header.Set("If-None-Match", known)
		w := httptest.NewRecorder()
		webclient.Handler().ServeHTTP(w, r)
		return w
	}
	fresh := get("")
	for header, want := range map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache",
	} {
		if got := fresh.Header().Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if !strings.Contains(fresh.Body.String(), "as Hub") {
		t.Error("it exports no Hub")
	}
	if got := get(fresh.Header().Get("ETag")).Code; got != http.StatusNotModified {
		t.Errorf("asked again: status %d, want %d", got, http.StatusNotModified)
	}
	if got := get(`"older"`).Code; got != http.StatusOK {
		t.Errorf("asked with an older one: status %d, want %d", got, http.StatusOK)
	}
}
