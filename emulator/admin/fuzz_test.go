package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzBodies sends any body to every request that takes one: it is taken or refused with a reason, and never a failure of ours.
func FuzzBodies(f *testing.F) {
	routes := []string{
		"POST /emulator/faults", "POST /emulator/price", "POST /emulator/clock", "POST /emulator/halt", "POST /emulator/disconnect",
		"PUT /emulator/snapshot",
	}
	for i, body := range []string{
		`{"route":"POST /v2/orders","key_id":"K","kind":"drop_after","times":1}`, `{"symbol":"AAPL","price":"1.5"}`, `{"advance_seconds":-3600}`,
		`{"symbol":"AAPL"}`, `{"key_id":"K","path":"/stream"}`,
		`{"time":"2026-11-23T15:00:00Z","prices":{"AAPL":"7"},"faults":[{"kind":"latency","latency_ms":1}],"plans":{"K":"basic"},"state":{"accounts":[{"key_id":"K","cash":"1","dice":"cGNnOgAAAAAAAAAAAAAAAAAAAAA="}]}}`,
	} {
		f.Add(i, body)
		f.Add(i, body+"x")
		f.Add(i+1, body)
	}
	api, _ := newAPI(f)
	handler := api.Handler()
	f.Fuzz(func(t *testing.T, number int, body string) {
		route := routes[((number%len(routes))+len(routes))%len(routes)]
		method, path, _ := strings.Cut(route, " ")
		out := httptest.NewRecorder()
		handler.ServeHTTP(out, httptest.NewRequest(method, path, strings.NewReader(body)))
		if out.Code != http.StatusBadRequest && out.Code/100 != 2 {
			t.Fatalf("%s %q: status %d: %s", route, body, out.Code, out.Body)
		}
		var reason struct{ Message string }
		if out.Code == http.StatusBadRequest && (json.Unmarshal(out.Body.Bytes(), &reason) != nil || reason.Message == "") {
			t.Fatalf("%s %q: refused without a reason: %s", route, body, out.Body)
		}
		api.Faults.Clear()
	})
}
