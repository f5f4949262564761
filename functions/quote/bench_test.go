package quote_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// discard is a ResponseWriter that costs nothing itself.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkCachedQuote is a quote from memory with all checks on: token, permission, limit, metrics.
func BenchmarkCachedQuote(b *testing.B) {
	function := start(b)
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, apple, http.NoBody)
	request.Header.Set("Authorization", "Bearer "+function.token)
	function.quote(apple)
	writer := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(writer.header)
		function.function.ServeHTTP(writer, request)
	}
	if writer.status != http.StatusOK {
		b.Fatalf("status %d", writer.status)
	}
}
