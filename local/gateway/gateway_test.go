package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/local/gateway"
)

func TestFunctionOf(t *testing.T) {
	t.Parallel()
	cases := []struct{ method, path, want string }{
		{"POST", "/api/v1/stocks/order", gateway.Order},
		{"POST", "/v1/stocks/order", gateway.Order},
		{"GET", "/api/v1/stocks/AAPL/quote", gateway.Quote},
		{"GET", "/v1/stocks/quote/AAPL", gateway.Quote},
		{"GET", "/api/v1/options/chain/AAPL", gateway.Quote},
		{"POST", "/api/v1/options/order", gateway.Order},
		{"GET", "/api/v1/crypto/BTC%2FUSD/quote", gateway.Quote},
		{"GET", "/api/v1/orders", gateway.Order},
		{"DELETE", "/api/v1/orders/1", gateway.Order},
		{"GET", "/api/v1/rules", gateway.Order},
		{"POST", "/api/v1/auth/token", gateway.Account},
		{"GET", "/api/v1/account", gateway.Account},
		{"GET", "/api/v1/accounts/a/positions", gateway.Account},
		{"GET", "/api/v1/positions/AAPL", gateway.Account},
		{"GET", "/api/v1/positions", gateway.Account},
		{"DELETE", "/api/v1/positions", gateway.Order},
		{"DELETE", "/api/v1/positions/BTC%2FUSD", gateway.Order},
		{"DELETE", "/v1/positions/AAPL", gateway.Order},
		{"PATCH", "/v1/orders/1", gateway.Order},
		{"GET", "/api/v1/ws/market-data", gateway.Quote},
		{"GET", "/api/v1/ws/account-updates", gateway.Account},
		{"GET", "/api/v1/admin/dead-letters", gateway.Account},
		{"POST", "/v2/orders", gateway.Order},
		{"GET", "/v2/orders:by_client_order_id", gateway.Order},
		{"DELETE", "/v2/positions/AAPL", gateway.Order},
		{"GET", "/v2/positions/AAPL", gateway.Account},
		{"GET", "/v2/account", gateway.Account},
		{"GET", "/v2/events/trades", gateway.Account},
		{"GET", "/stream", gateway.Account},
		{"GET", "/v2/stocks/quotes/latest", gateway.Quote},
		{"GET", "/v2/iex", gateway.Quote},
		{"GET", "/v1beta1/options/snapshots", gateway.Quote},
		{"GET", "/v1beta3/crypto/us/bars", gateway.Quote},
		{"POST", "/events", ""},
		{"GET", "/metrics", ""},
		{"GET", "/api/v1/accountant", ""},
		{"GET", "/", ""},
	}
	for _, c := range cases {
		if got := gateway.FunctionOf(c.method, c.path); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
}

// function is a function that answers with its own name, and has one path in its document.
type function struct {
	name  string
	ready error
}

func (f function) Ready(context.Context) (bool, error) { return f.ready == nil, f.ready }

func (f function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/openapi.json" {
		fmt.Fprintf(w, `{"openapi":"3.1.0","paths":{"/%s":{"get":{"operationId":"get%s","tags":["T"],"summary":"<b>x</b>"}},
			"/shared":{"%s":{"operationId":"shared"}}},
			"components":{"schemas":{"Shared":{"type":"string"},"Of%s":{"type":"object"}}}}`,
			f.name, f.name, map[string]string{gateway.Quote: "get", gateway.Order: "delete", gateway.Account: "post"}[f.name], f.name)
		return
	}
	if r.URL.Path == "/no-such-endpoint" {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprint(w, f.name)
}

func newGateway(t *testing.T, quoteReady error) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(map[string]gateway.Function{
		gateway.Quote: function{gateway.Quote, quoteReady}, gateway.Order: function{name: gateway.Order}, gateway.Account: function{name: gateway.Account},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return answer
}

func TestGatewayDispatches(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	for path, want := range map[string]string{"/api/v1/orders": gateway.Order, "/api/v1/stocks/A/quote": gateway.Quote, "/api/v1/account": gateway.Account} {
		if got := get(t, g, path); got.Body.String() != want {
			t.Errorf("%s went to %q", path, got.Body)
		}
	}
	for _, hidden := range []string{"/events", "/metrics", "/nothing"} {
		if got := get(t, g, hidden); got.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", hidden, got.Code)
		}
	}
}

func TestGatewayMergesTheDocuments(t *testing.T) {
	t.Parallel()
	g := newGateway(t, nil)
	var document struct {
		Paths      map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(get(t, g, "/openapi.json").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	shared, _ := document.Paths["/shared"].(map[string]any)
	if len(document.Paths) != 4 || len(shared) != 3 || len(document.Components.Schemas) != 4 {
		t.Fatalf("got %+v", document)
	}
	page := get(t, g, "/docs")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "/order") || strings.Contains(page.Body.String(), "<b>x</b>") {
		t.Fatalf("status %d, page %s", page.Code, page.Body)
	}
}

func TestGatewayReadiness(t *testing.T) {
	t.Parallel()
	if got := get(t, newGateway(t, nil), "/readyz"); got.Code != http.StatusOK {
		t.Errorf("status %d", got.Code)
	}
	if got := get(t, newGateway(t, fmt.Errorf("no accounts")), "/readyz"); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "quote") {
		t.Errorf("status %d, %s", got.Code, got.Body)
	}
}

func TestGatewayNeedsAllFunctions(t *testing.T) {
	t.Parallel()
	if _, err := gateway.New(map[string]gateway.Function{gateway.Quote: function{}}); err == nil {
		t.Fatal("want an error")
	}
}
