package quote_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

func TestServer(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, alpaca: startAlpaca(t), redis: miniredis.RunT(t), clock: clock.NewFake(opening()), registry: prometheus.NewRegistry()}
	cfg := testConfig(t, b.alpaca.server.URL, b.redis.Addr())
	dependencies := b.dependencies()
	function, err := quote.New(cfg, dependencies)
	if err != nil {
		t.Fatal(err)
	}
	server := platform.NewServer(cfg.Base(), dependencies, function)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	token := b.issue(auth.PermissionMarketData)

	mustContain(t, fetch(t, client, server.URL()+"/healthz", ""), "ok")
	mustContain(t, fetch(t, client, server.URL()+"/readyz", ""), "ok")
	mustContain(t, fetch(t, client, server.URL()+apple, token), `"symbol":"AAPL"`)
	mustContain(t, fetch(t, client, server.URL()+apple, token), `"symbol":"AAPL"`)
	mustContain(t, fetch(t, client, server.URL()+"/metrics", ""),
		`cache_hits_total{kind="quote_l1"} 1`, `cache_misses_total{kind="quote"} 1`,
		`api_requests_total{endpoint="/api/v1/stocks/{symbol}/quote",method="GET",status="200"} 2`)
	document := fetch(t, client, server.URL()+"/openapi.json", "")
	mustContain(t, document, "getStockQuote", "postStockQuotes", "bid_price", "SYMBOL_NOT_FOUND")
	if !json.Valid([]byte(document)) {
		t.Error("the OpenAPI document is not JSON")
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartWithoutAccountsFile(t *testing.T) {
	t.Parallel()
	b := &bench{t: t, alpaca: startAlpaca(t), redis: miniredis.RunT(t), clock: clock.NewFake(opening()), registry: prometheus.NewRegistry()}
	cfg := testConfig(t, b.alpaca.server.URL, b.redis.Addr())
	cfg.AccountsFile += ".gone"
	function, err := quote.New(cfg, b.dependencies())
	if err != nil {
		t.Fatal(err)
	}
	if err := function.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "ACCOUNTS_FILE") {
		t.Errorf("Start says %v", err)
	}
	if err := function.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func fetch(t *testing.T, client *http.Client, url, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s %v", url, response.StatusCode, body, err)
	}
	return string(body)
}

func mustContain(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %.2000s", part, text)
		}
	}
}
